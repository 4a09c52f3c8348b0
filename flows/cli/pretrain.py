"""`terrabalance pretrain`: a base of unlabelled images alone."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli import options
from flows.cli.configure import configure_run
from flows.cli.console import bars, console, print_path


def pretrain(
    folder: Annotated[
        Path,
        typer.Argument(help="Unlabelled images, however deep they lie, or a zip or tar of them."),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="The data that is to be balanced: what is nearly an image of its parts val, test "
            "and oracle is kept out. Default: nothing is."
        ),
    ] = None,
    preset: options.Preset = None,
    config_file: options.ConfigFile = None,
    settings: options.Settings = None,
    images: options.Images = None,
    workdir: options.Workdir = None,
    name: options.Name = None,
    seed: options.Seed = None,
    device: options.Device = None,
) -> None:
    """Train a base on unlabelled images alone. Goes on where it was stopped.

    The folder that it makes below `data/generators/` has the weights, and a card with what was
    learned, its source and its licence (`base.source`, `base.licence`). A run starts the generator
    of each class from it by `base_from`. The settings of `generator` must be the same there, so
    give the same preset.

    Example: `terrabalance pretrain tiles --data aid.csv --set base.licence=CC-BY-4.0`
    """
    given = {
        "preset": preset,
        "images": images,
        "workdir": workdir,
        "name": name,
        "seed": seed,
        "device": device,
        "strategy": "warm-start",  # a preset's own may be one that trains no base
        "base": {"images": folder},
    }
    config = configure_run(data or folder, given, config_file, settings)
    from flows.stages.pretrain import pretrain

    with bars() as watcher:
        base = pretrain(config, data is not None, watcher("pretrain"))
    print_path("Base", base)
    console.print(
        f"Use it with the same settings of generator: --set base_from={base.name}", soft_wrap=True
    )
