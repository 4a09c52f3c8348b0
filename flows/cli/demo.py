"""`terrabalance demo`: everything on drawn scenes."""

from pathlib import Path

from flows.cli import commands, options
from flows.cli.configure import configure
from flows.cli.console import bars
from terrabalance.errors import BadInput

_SETTLED = {"preset", "drawn", "images", "catalogue"}


def demo(
    settings: options.Settings = None,
    workdir: options.Workdir = None,
    device: options.Device = None,
) -> None:
    """Run everything on a small imbalanced set of drawn scenes, in ten minutes on a CPU."""
    from augment.scenes import DEMO_COUNTS, draw_dataset

    _refuse_without_effect(settings or [])
    given = {"preset": "demo", "workdir": workdir, "device": device, "drawn": True}
    config = configure(Path("scenes"), given, settings=settings)
    folder = config.workdir / "data" / "scenes"
    with bars() as watcher:
        draw_dataset(folder, DEMO_COUNTS, on_progress=watcher("draw scenes"))
    commands.run(config.model_copy(update={"data": folder}))


def _refuse_without_effect(settings: list[str]) -> None:
    from flows.settings.reading import fields_of

    if idle := [each for each in settings if not _SETTLED.isdisjoint(fields_of(each))]:
        raise BadInput(
            f"--set {idle[0]}: the demo is of the preset demo, on scenes that it draws. Leave it "
            "out, or take `terrabalance run` with images of yours."
        )
