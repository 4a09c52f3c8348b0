"""`terrabalance settings`: list every setting."""

from pathlib import Path

from flows.cli import options
from flows.cli.configure import configure


def settings(preset: options.Preset = None) -> None:
    """List every setting with its value in a preset and its meaning.

    Example: `terrabalance settings --preset 8gb`
    """
    from flows.cli.console import print_settings

    print_settings(configure(Path(), {"preset": preset}))
