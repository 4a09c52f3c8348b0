"""`terrabalance verify`: check a dataset."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli import options
from flows.cli.console import bars


def verify(
    dataset: Annotated[
        Path,
        typer.Argument(help="A folder below data/datasets/, or a run, by name or report folder."),
    ],
    workdir: options.Workdir = None,
) -> None:
    """Check that a balanced dataset is as it was made, and every synthetic image marked as such.

    Finds files that changed, are gone, may not be read, or that the manifest does not know, labels
    that are not the manifest's (class_map.txt, README.md, croissant.json, manifest.csv), synthetic
    images that lost a mark (text, XMP DigitalSourceType), are in val or test or were refused in
    `terrabalance review` since, and real ones with the mark of a synthetic one. Changes nothing.
    Exit code 1 where anything is wrong.

    Example: `terrabalance verify data/datasets/aid-cpu-1f2e3d`
    """
    from augment.dataset.verify import verify as problems_of
    from flows.cli.console import console, print_problems
    from flows.store.begun import begun_run
    from flows.store.paths import dataset_folder

    if begun := begun_run(dataset, workdir):
        dataset = dataset_folder(begun)

    with bars() as watcher:
        problems = problems_of(dataset, watcher("verify"))
    if problems:
        print_problems(problems)
        raise typer.Exit(1)
    console.print("Every file is as the manifest says, every synthetic image is marked.")
