"""`terrabalance inpaint`: repair a single image."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli import options
from flows.cli.console import bars, print_path


def inpaint(
    image: Annotated[Path, typer.Argument(help="A real image, JPEG, PNG, TIFF or WebP.")],
    mask: Annotated[
        Path, typer.Option(help="Image of the same shape, black and white; white is filled.")
    ],
    generator: Annotated[Path, typer.Option(help="Folder below data/generators/.")],
    class_name: Annotated[
        str | None, typer.Option("--class", help="Class to draw, if the generator draws several.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write; its folder is made. Default: IMAGE_repaired beside IMAGE."
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=64, help="Different fillings.")] = 1,
    seed: options.Seed = 0,
    settings: options.Settings = None,
    device: options.Device = None,
) -> None:
    """Fill a clouded or damaged part of a real image with a class's generator.

    The picture comes at the generator's size, known pixels unchanged, and says in its metadata
    what was filled. Put into the data, it trains and is never validated or tested on. Of a mask
    with soft edges, or saved as JPEG, what is above half of its range is filled, and a line says
    so. Settings: steps=50, jump=2, resamplings=5 (RePaint, 242 network calls).

    Example: `terrabalance inpaint pond_3.jpg --mask clouds.png --generator data/generators/Pond-1f`
    """
    from augment.config import InpaintConfig
    from flows.settings.config import parse_settings
    from flows.stages.inpaint import Repair, repair

    config = parse_settings(InpaintConfig, settings or [])
    wanted = Repair(image, mask, generator, class_name, out, count, seed or 0)
    with bars() as watcher:
        files = repair(wanted, config, device or "auto", watcher("inpaint"))
    for file in files:
        print_path("Repaired", file)
