"""The arguments and options that all stage commands share, with their help."""

from pathlib import Path
from typing import Annotated

import typer

_DATA = (
    "A folder with one subfolder a class, a zip or tar of one (.tar, .tar.gz, .tar.xz, .tar.bz2, "
    ".tar.zst), or a CSV with the columns path, class and optionally split (train, val, test; "
    "others are set aside) and group (images of one group stay in one part)."
)
Data = Annotated[Path, typer.Argument(metavar="DATA", help=_DATA)]
DataOrRun = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help=f"{_DATA} Or a run that has begun, by its name or its report folder: its options are "
        "known.",
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="Starting point: demo, cpu (64 px, the three rarest classes), 8gb (a GPU of that "
        "size, 128 px), 24gb (256 px), datacenter (80 GB, 256 px), or tutorial (256 px, the "
        "original tutorial's settings). Default: cpu."
    ),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="TOML file with any of the settings.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.FIELD=VALUE",
        help="One setting, e.g. training.steps=4000; may be repeated. "
        "`terrabalance settings` lists them all.",
    ),
]
Classes = Annotated[str | None, typer.Option(help="Fill only these classes, separated by commas.")]
Target = Annotated[
    str | None,
    typer.Option(help="Images a class should have: max, median, a number, or a share like 80%."),
]
Weights = Annotated[
    Path | None, typer.Option(help="Local weights file for the classifier, instead of a hub.")
]
Images = Annotated[
    Path | None, typer.Option(help="Folder that the paths of a CSV are relative to.")
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN",
        help="Regular expression that finds the scene in each path, e.g. '(scene\\d+)_'; images of "
        "one scene stay in one part of the split. The same as --set scan.group_by=PATTERN.",
    ),
]
Workdir = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Gets data/ and reports/: a folder, or an address that machines share "
        "(s3://bucket/folder, gs://, az://; keys as the driver wants them, e.g. "
        "AWS_ACCESS_KEY_ID). Default: the current folder.",
    ),
]
Name = Annotated[str | None, typer.Option(help="Name of the run. Default: made from DATA.")]
Seed = Annotated[
    int | None,
    typer.Option(
        help="The same seed gives the same result, on the same kind of machine with as many "
        "threads."
    ),
]
Device = Annotated[str | None, typer.Option(help="auto, cuda, mps or cpu. Default: auto.")]
Arms = Annotated[
    str | None, typer.Option(help="Arms to compare, separated by commas; all are named below.")
]
Seeds = Annotated[str | None, typer.Option(help="Numbers separated by commas. Default: 0,1,2.")]
Tries = Annotated[
    int | None,
    typer.Option(
        min=1, max=6, help="Settings that every arm is tried with; validation chooses. Default: 2."
    ),
]
Resolution = Annotated[
    int | None,
    typer.Option(
        min=8, help="Side that every image is reduced to first, px. Default: the smallest in train."
    ),
]
