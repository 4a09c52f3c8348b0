"""The commands `terrabalance cache list` and `terrabalance cache prune`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.cli import options
from flows.cli.console import console, print_results, print_unread
from terrabalance.errors import BadInput

app = typer.Typer(
    name="cache",
    help="See and clear what runs find again: catalogues, generators, synthetic images, "
    "classifiers and unpacked archives below data/.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


def _there(root: Path) -> Path:
    """Return a workdir that is a folder.

    Raises:
        BadInput: it is none; a mistyped one would be taken for one without results.
    """
    if not root.is_dir():
        raise BadInput(f"--workdir {root}: there is no such folder.")
    return root


@app.command("list")
def list_results(workdir: options.Workdir = None, as_json: AsJson = False) -> None:
    """List every result: its kind, name, size, time, whether it is finished, and who uses it.

    A run uses what its report and its dataset came from, and what it has made so far. What this
    user may not read is named, and the rest listed, without what is unread; exit code 1 then.
    """
    from flows.settings.addresses import local_folder
    from flows.store import cache

    unread: list[OSError] = []
    found = cache.results(_there(local_folder(workdir)), unread.append)
    if as_json:
        typer.echo(json.dumps([result.record() for result in found], indent=2))
    else:
        print_results(found)
    if unread:
        print_unread(unread)
        raise typer.Exit(1)


@app.command()
def prune(
    workdir: options.Workdir = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only this kind of `list`; may be repeated.")
    ] = None,
    older_than: Annotated[
        float, typer.Option(min=0, metavar="DAYS", help="Only what has not changed for so long.")
    ] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it. Without: only list it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove results that no run uses, as far as its report or dataset is there.

    Kept are also those that a process makes (a lock, or changed within the last ten minutes; an
    unfinished one or an unpacked archive: within a day) and synthetic images that a person
    reviewed. To give up a run, remove reports/<run> and data/datasets/<run> first. Of an address,
    this machine's copy alone is cleared.

    Example: `terrabalance cache prune --kind generators --older-than 30 --yes`
    """
    from flows.settings.addresses import local_folder
    from flows.store import cache

    root = _there(local_folder(workdir))
    if wrong := set(kind or ()) - set(cache.KINDS):
        raise BadInput(f"--kind {', '.join(sorted(wrong))}: is none of {', '.join(cache.KINDS)}.")
    if unknown := cache.unexplained(root):
        raise BadInput(
            f"{root.absolute()}: what {', '.join(unknown)} use is not known; an older version made "
            "them, or they were copied here. Give their command again (what is made is found "
            "again, in seconds), or remove them from reports/ and data/datasets/."
        )
    kinds = tuple(name for name in cache.KINDS if not kind or name in kind)
    wanted = cache.prunable(cache.results(root), kinds, older_than)
    gone = cache.prune(wanted) if yes else wanted
    if as_json:
        typer.echo(json.dumps([result.record() for result in gone], indent=2))
        return
    print_results(gone)
    if not gone:
        console.print("There is nothing to remove.")
        return
    console.print("These were removed." if yes else "Nothing was removed. With --yes these are.")
