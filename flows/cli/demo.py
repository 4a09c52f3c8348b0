"""`terrabalance demo`: everything on drawn scenes."""

from pathlib import Path

from flows.cli import commands, options
from flows.cli.configure import configure
from flows.cli.console import bars


def demo(
    settings: options.Settings = None,
    workdir: options.Workdir = None,
    device: options.Device = None,
) -> None:
    """Run everything on a small imbalanced set of drawn scenes, in a few minutes on a CPU."""
    from augment.scenes import DEMO_COUNTS, draw_dataset

    given = {"preset": "demo", "workdir": workdir, "device": device, "drawn": True}
    config = configure(Path("scenes"), given, settings=settings)
    folder = config.workdir / "data" / "scenes"
    with bars() as watcher:
        draw_dataset(folder, DEMO_COUNTS, on_progress=watcher("draw scenes"))
    commands.run(config.model_copy(update={"data": folder}))
