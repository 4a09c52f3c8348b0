"""`terrabalance make-lt`: a long-tailed benchmark of any set of images."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import options
from flows.cli.configure import configure_run
from flows.cli.console import bars, console, print_left_out, print_path
from flows.settings.reading import fields_of
from terrabalance.errors import BadInput
from terrabalance.settings import HIGHEST_SEED
from terrabalance.wording import shown

if TYPE_CHECKING:
    from augment.catalogue.long_tail import Benchmark

_READ = "scan."  # the settings that the catalogue of images follows from


_Imbalance = Annotated[
    float,
    typer.Option(
        show_default=False,
        help="Training images of the most frequent class over those of the rarest, 1 or more. "
        "Default: 100.",
    ),
]
_Head = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Training images of the most frequent class. Default: as many as every class can give "
        "beside val and test.",
    ),
]
_Order = Annotated[
    str | None,
    typer.Option(
        help="From the most frequent class to the rarest. A number: random by that seed; names: "
        "sorted, as in the long-tailed CIFAR; sizes: by the images that the classes have, most "
        "first. Default: random by --seed."
    ),
]
_Val = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Validation images of each class. Default: a fifth of the smallest class, or less, so "
        "that --head fits.",
    ),
]
_Test = Annotated[
    int | None, typer.Option(min=1, help="Test images of each class. Default: likewise.")
]
_Out = Annotated[
    Path | None,
    typer.Option(
        help="CSV to write. Default: DATA-ltIMBALANCE.csv in the current folder. Another file is "
        "never overwritten."
    ),
]
_Seed = Annotated[
    int,
    typer.Option(
        min=0,
        max=HIGHEST_SEED,
        show_default=False,
        help="The same seed gives the same file on any machine. Default: 0.",
    ),
]


def make_lt(
    data: options.Data,
    imbalance: _Imbalance = 100.0,
    head: _Head = None,
    order: _Order = None,
    val: _Val = None,
    test: _Test = None,
    out: _Out = None,
    seed: _Seed = 0,
    images: options.Images = None,
    group_by: options.GroupBy = None,
    settings: options.Settings = None,
    workdir: options.Workdir = None,
) -> None:
    """Make a long-tailed benchmark of a balanced set of images: a CSV, no image is copied.

    The training images fall exponentially from class to class, as in the long-tailed CIFAR (Cui et
    al. 2019). The CSV's split is train, val, test, oracle (what fills each class's train up to
    the head: real images that an upper bound trains on) or unused. Scans the images first, as
    `terrabalance scan` does: what cannot be used is left out, and what belongs together is in one
    part. Which images are chosen goes by their content, not by their names. Prints the command
    that runs the benchmark.

    Example: `terrabalance make-lt eurosat --imbalance 100 --head 1000 --val 100 --test 480`
    """
    from augment.catalogue.long_tail import LongTail, check_imbalance

    check_imbalance(imbalance)
    _refuse_without_effect(settings or [])
    wanted = LongTail(imbalance, head, val, test, _order(order), seed)
    given = {"images": images, "scan": {"group_by": group_by}, "workdir": workdir}
    config = configure_run(data, given, None, settings)
    from flows.stages.long_tail import write_long_tail

    out = out or Path(f"{config.data.name.split('.')[0]}-lt{imbalance:g}.csv")
    with bars() as watcher:
        manifest, found = write_long_tail(config, wanted, out, watcher("scan"))
    _print_benchmark(found)
    print_left_out(manifest)
    _print_kept_away(found)
    print_path("Benchmark", out)
    again = [("--group-by", group_by), *(("--set", each) for each in settings or [])]
    again = [("--images", str(manifest.root)), *again, ("--workdir", workdir)]
    words = [word for option, value in again if value is not None for word in (option, value)]
    run = shlex.join(["terrabalance", "run", str(out), *words])
    console.print(f"Run it: {run}", markup=False, soft_wrap=True)


def _refuse_without_effect(settings: list[str]) -> None:
    for setting in settings:
        if not all(field.startswith(_READ) for field in fields_of(setting)):
            raise BadInput(f"--set {setting}: make-lt reads settings of scan alone. Leave it out.")


def _order(given: str | None) -> int | str | None:
    from augment.catalogue.long_tail import BY_NAME, BY_SIZE

    if given is None or given in (BY_NAME, BY_SIZE):
        return given
    if given.isascii() and given.isdigit() and len(given) <= len(str(HIGHEST_SEED)):
        return int(given)
    raise BadInput(
        f"--order {shown(given)}: give {BY_NAME}, {BY_SIZE}, or the seed of a random order, a "
        "whole number from 0 on."
    )


def _print_benchmark(found: "Benchmark") -> None:
    from rich.markup import escape
    from rich.table import Table

    from augment.catalogue.long_tail import PARTS

    counts = found.rows.groupby(["class", "split"]).size()
    table = Table(title="Classes")
    for column in ("class", *PARTS):
        table.add_column(column, justify="left" if column == "class" else "right")
    for name in found.order:
        numbers = [str(counts.get((name, part), 0)) for part in PARTS]
        table.add_row(escape(name), *numbers)
    console.print(table)


def _print_kept_away(found: "Benchmark") -> None:
    if found.kept_away:
        console.print(
            f"[yellow]belong with val or test[/]: {found.kept_away}, which are in no part, as "
            "they would leak",
            soft_wrap=True,
        )
    if found.repaired:
        console.print(
            f"[yellow]repaired by a generator[/]: {found.repaired}, which are in no part",
            soft_wrap=True,
        )
