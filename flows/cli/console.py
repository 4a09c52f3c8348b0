"""What the command line prints: tables, bars, paths."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from rich.bar import Bar
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from flows.settings.limits import first_of, limits_of, schema_of
from flows.stages.progress import Watcher, throttled
from terrabalance.progress import Progress as Listener
from terrabalance.system_errors import in_words
from terrabalance.terminal import Terminal, told_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from augment.dataset.verify import Problem
    from flows.cli.checks.finding import Finding
    from flows.settings.config import RunConfig
    from flows.store.cache import Result
    from terrabalance.manifest import Manifest

_WIDE = 200  # columns


def _width() -> int | None:
    """A file or a pipe is as wide as its names: one cut in two cannot be copied."""
    # A stream that is closed is None.
    at_one = sys.stdout is not None and sys.stdout.isatty()
    return None if at_one or told_columns() else _WIDE


console = Terminal(width=_width())
errors = Terminal(stderr=True)
_LINE_EVERY_S = 30.0
_BAR = 30  # columns


@contextmanager
def bars() -> Iterator[Watcher]:
    """Show one progress bar for every label that is asked for inside the block.

    In a log file or a pipe, where a bar cannot move, print a line now and then instead.
    """
    if not console.is_terminal:
        yield _lines
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
    )
    with Progress(*columns, console=console) as progress:

        def tell_found() -> None:
            """Mark stages that ended without a report: their results were there."""
            for bar in progress.tasks:
                if bar.total is None:
                    progress.update(bar.id, completed=1, total=1, note="found")

        def watch(label: str) -> Listener:
            tell_found()  # a process does one stage after the other
            bar = progress.add_task(label, total=None, note="")

            def report(done: int, total: int, message: str = "") -> None:
                progress.update(bar, completed=done, total=total, note=message)

            return report

        yield watch
        tell_found()


def _lines(label: str) -> Listener:
    def report(done: int, total: int, message: str = "") -> None:
        console.print(f"{label}: {done} of {total} {message}", markup=False, soft_wrap=True)

    return throttled(report, every_s=_LINE_EVERY_S)


def print_path(label: str, path: Path) -> None:
    """Print where something is, on a line of its own that can be copied."""
    console.print(f"[bold]{escape(label)}:[/] {escape(str(path))}", soft_wrap=True)


def print_classes(manifest: "Manifest") -> None:
    """Print a table and a bar chart of the classes, and what was left out."""
    from augment.catalogue.counts import class_table, summarize

    frame = class_table(manifest)
    table = Table(title="Classes")
    for column in frame.columns:
        table.add_column(str(column), justify="left" if column == "class" else "right")
    table.add_column("in train")
    most = max(int(frame["train"].max()), 1)
    for row in frame.to_dict("records"):
        cells = [f"{v:.1%}" if isinstance(v, float) else str(v) for v in row.values()]
        bar = Bar(most, 0, row["train"], width=_BAR)
        plain = "#" * round(_BAR * row["train"] / most)
        table.add_row(*map(escape, cells), plain if console.options.ascii_only else bar)
    console.print(table)
    print_left_out(manifest)
    summary = summarize(manifest)
    console.print(
        f"Imbalance ratio {summary['imbalance_ratio']:.1f}, "
        f"effective number of classes {summary['effective_classes']:.1f} of {len(frame)}"
    )


def print_left_out(manifest: "Manifest") -> None:
    """Print which files of a manifest are left out, a line a reason."""
    bad = manifest.frame[manifest.frame["status"] != "ok"]
    for status, rows in bad.groupby("status"):
        first = ", ".join(rows["path"].head(3))
        more = " …" if len(rows) > 3 else ""
        console.print(f"[yellow]{escape(str(status))}[/]: {len(rows)} ({escape(first)}{more})")
        # A file without a fault of its own refers to another one, which is no reason to show.
        if status == "unreadable":
            why = f"{rows['path'].iloc[0]}: {rows['detail'].iloc[0]}"
            console.print(f"  {escape(why)}", soft_wrap=True)


def print_plan(plan: dict[str, Any], n_trained: int, n_drawn: int) -> None:
    """Print what each class gets, the cost, and how many generators and images are there.

    Where no class is filled, there is nothing that could cost.
    """
    from flows.stages.comparable import NOTHING_FILLED
    from flows.stages.plan import NOT_COUNTED
    from terrabalance.page import duration

    table = Table(title=f"Target: {plan['target']['count']} images ({plan['target']['policy']})")
    for column in ("class", "in train", "synthetic", "in the end"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for row in plan["classes"]:
        table.add_row(
            escape(row["class"]), str(row["n_train"]), str(row["n_needed"] or "-"),
            str(row["n_train"] + row["n_needed"]) + (" (capped)" if row["capped"] else ""),
            style="bold" if row["n_needed"] else "dim",
        )  # fmt: skip
    console.print(table)
    if plan["left_out"]:
        console.print(plan["left_out"])
    n_filled = sum(row["n_needed"] > 0 for row in plan["classes"])
    if not n_filled:
        console.print(NOTHING_FILLED, soft_wrap=True)
        return
    cost = plan["cost"]
    console.print(
        f"About {duration(cost['train_s'])} to train and {duration(cost['sample_s'])} to sample "
        f"({cost['image_s']:.2f} s an image), by a few steps measured on {cost['device']}. "
        f"{NOT_COUNTED}"
    )
    if n_trained:
        console.print(
            f"Made already: generators {n_trained} of {n_filled}, "
            f"classes' images {n_drawn} of {n_filled}."
        )


def print_deployments(pools: dict[str, str]) -> None:
    """Print the deployments with their work pools, and how to start the workers."""
    table = Table(title="Deployments")
    table.add_column("deployment")
    table.add_column("work pool")
    for name, pool in pools.items():
        table.add_row(escape(name), escape(pool))
    console.print(table)
    for pool in dict.fromkeys(pools.values()):
        console.print(f"prefect worker start --pool {pool}", markup=False, soft_wrap=True)


def print_results(results: "Iterable[Result]") -> None:
    """Print what lies below data/, and how much it is in all."""
    table = Table(title="Results that runs find again")
    for column in ("kind", "name", "MB", "changed", "finished", "used by"):
        table.add_column(column, justify="right" if column == "MB" else "left", overflow="fold")
    n_bytes = 0
    for one in results:
        n_bytes += one.n_bytes
        day = datetime.fromtimestamp(one.changed).strftime("%Y-%m-%d %H:%M")
        table.add_row(
            one.kind, escape(one.path.name), f"{one.n_bytes / 1e6:.1f}", day,
            "yes" if one.finished else "[yellow]no[/]", escape(", ".join(one.used_by)) or "-",
        )  # fmt: skip
    console.print(table)
    console.print(f"{n_bytes / 1e6:.1f} MB in all")


def print_unread(refused: "Iterable[OSError]") -> None:
    """Print what the system refused to read, a line each."""
    for error in dict.fromkeys(map(in_words, refused)):
        errors.print(f"[bold yellow]not read:[/] {escape(error)}", soft_wrap=True)


def print_problems(problems: list["Problem"]) -> None:
    """Print what is wrong with a dataset, a line a file."""
    table = Table(title=f"{len(problems)} problems")
    for column in ("file", "problem", "what exactly"):
        table.add_column(column, overflow="fold")
    for problem in problems:
        table.add_row(*map(escape, (problem.path, problem.kind, problem.detail)))
    console.print(table)


def print_findings(findings: "Iterable[Finding]") -> None:
    """Print what was found on this machine, a line each, and below it what mends it."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    colours = {"ok": "green", "warning": "yellow", "broken": "bold red"}
    for one in findings:
        mark = f"[{colours[one.state]}]{one.state}[/]"
        table.add_row(mark, one.name, escape(one.found))
        if one.advice:
            table.add_row("", "", f"[dim]> {escape(one.advice)}[/]")
    console.print(table)


def print_verdict(path: Path) -> None:
    """Print the comparison's plain sentences."""
    from terrabalance.files import read_json

    said = read_json(path)["verdict"]
    console.print(f"\n{escape(said['sentence'])}\n{escape(said['by_class'])}\n", soft_wrap=True)


def print_missing(path: Path) -> None:
    """Print of which classes images are missing, by the balance report's record."""
    from augment.screen.statuses import what_is_missing
    from terrabalance.files import read_json

    for row in read_json(path)["filled"]:
        if row["screening"] and (line := what_is_missing(row["class"], row["screening"])):
            console.print(f"[yellow]{escape(line)}[/]", soft_wrap=True)


def print_settings(config: "RunConfig") -> None:
    """Print every setting by section: its value in `config`, as in TOML, and its meaning."""
    fields = type(config).model_fields
    sections = {name: section for name, section in config if isinstance(section, BaseModel)}
    console.print(f"[bold]Values of the preset {config.preset}[/]; --preset shows another's.\n")
    _print_fields(config, "", [name for name in fields if name not in sections])
    for name, section in sections.items():
        about = fields[name].description or (section.__doc__ or "").splitlines()[0]
        console.print(f"\n[bold]{name}[/]: {escape(about)}", soft_wrap=True)
        _print_fields(section, f"{name}.", list(type(section).model_fields))


def _print_fields(model: BaseModel, before: str, names: list[str]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(max_width=20, overflow="fold")
    table.add_column(style="dim")
    for name in names:
        field = type(model).model_fields[name]
        value = "required" if field.is_required() else _plain(getattr(model, name))
        limits = "; ".join(limits_of(first_of(schema_of(field))))
        about = f"{field.description or ''}{f' ({limits})' if limits else ''}"
        table.add_row(before + name, escape(value), escape(about))
    console.print(table)


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, Path):
        return "current folder" if value == Path.cwd() else str(value)
    return value if isinstance(value, str) else json.dumps(value)
