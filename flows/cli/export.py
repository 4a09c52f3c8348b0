"""`terrabalance export`: take a trained classifier with you."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli import options
from flows.cli.console import console, print_path


def export(
    report: Annotated[
        str,
        typer.Argument(
            metavar="REPORT", help="Folder of a comparison's report, or its name below reports/."
        ),
    ],
    arm: Annotated[
        str | None, typer.Option(help="Arm to export. Default: the one that the report recommends.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Training to export, of the comparison's seeds. Default: that with the best "
            "balanced accuracy on validation."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write. Default: exports/REPORT-ARM below the workdir."),
    ] = None,
    workdir: options.Workdir = None,
) -> None:
    """Export the classifier that a comparison recommends, for any program that has timm.

    With the setting that validation chose. The folder has `model.safetensors`, `config.json` as
    timm reads it, and a `README.md` with the figures on test, the limits and the lines of Python
    that classify an image without terrabalance. The correction of an arm's logits is in the
    weights. A folder that an earlier export wrote is replaced.

    Example: `terrabalance export reports/aid-cpu-1f2e3d --out pond-watch`
    """
    from flows.stages.export import Wanted
    from flows.stages.export import export as exported

    folder, chosen = exported(Wanted(report, arm, seed, out, workdir))
    console.print(f"Arm {chosen.arm}, seed {chosen.seed}", markup=False)
    print_path("Export", folder)
