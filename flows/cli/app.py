"""The command line: `terrabalance run DATA` and every stage alone."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from classifier.arms.registry import ARMS
from flows.cli import (
    cache,
    commands,
    compare,
    demo,
    deploy,
    doctor,
    export,
    inpaint,
    make_lt,
    options,
    pretrain,
    review,
    settings,
    verify,
)
from flows.cli.configure import configure_stage, plan_options
from flows.cli.console import errors
from flows.cli.signals import exit_code, signals_end_it
from terrabalance import __version__
from terrabalance.errors import BadInput, TerrabalanceError
from terrabalance.system_errors import (
    in_words,
    is_out_of_memory,
    is_out_of_threads,
    no_memory_in_words,
    no_threads_in_words,
)
from terrabalance.terminal import LogFormatter

if TYPE_CHECKING:
    from flows.settings.config import RunConfig


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        """Run a command; Ctrl-C ends it with a line and exit code 130, SIGTERM with 143."""
        try:
            with signals_end_it():
                return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            # Asked again while Prefect says goodbye, it ends at once, and its children after it.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            errors.print("Stopped. What is finished is kept: the same command goes on from there.")
            raise typer.Exit(exit_code(stopped)) from None


app = typer.Typer(
    name="terrabalance",
    cls=_Commands,
    help="Balance aerial image classes with one diffusion model per minority class, and say "
    "honestly whether it helped.\n\n"
    "`terrabalance demo` shows the whole of it on scenes that it draws itself. "
    "`terrabalance run DATA` does the same on your images. The other commands are the stages "
    "of a run, in order: scan, plan, train, sample, assemble, classify, report. All take the same "
    "options; what an earlier command has made is found again and not repeated, so a command that "
    "was interrupted goes on when it is given again. `compare` compares classifiers on any "
    "dataset, `export` writes the best of them for other programs, `review` lets you refuse "
    "synthetic images by eye, `pretrain` trains a base on unlabelled images, `inpaint` repairs a "
    "single image, `make-lt` makes a long-tailed benchmark, `verify` checks a dataset, `doctor` "
    "looks at this machine.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _stage_command(work: Callable[["RunConfig"], None]) -> None:
    """Register a command that takes DATA and the options all commands share."""

    def command(
        data: options.DataOrRun,
        preset: options.Preset = None,
        config_file: options.ConfigFile = None,
        settings: options.Settings = None,
        classes: options.Classes = None,
        target: options.Target = None,
        weights: options.Weights = None,
        images: options.Images = None,
        group_by: options.GroupBy = None,
        workdir: options.Workdir = None,
        name: options.Name = None,
        seed: options.Seed = None,
        device: options.Device = None,
    ) -> None:
        given = {
            "preset": preset,
            "images": images,
            "scan": {"group_by": group_by},
            "workdir": workdir,
            "name": name,
            "seed": seed,
            "device": device,
            "plan": plan_options(classes, target),
            "classifier": {"weights": weights},
        }
        work(configure_stage(data, given, config_file, settings))

    app.command(work.__name__, help=work.__doc__)(command)


for _work in (
    commands.run,
    commands.scan,
    commands.plan,
    commands.train,
    commands.sample,
    commands.assemble,
    commands.classify,
    commands.report,
):
    _stage_command(_work)
app.command()(demo.demo)
app.command()(pretrain.pretrain)
app.command()(inpaint.inpaint)
app.command()(make_lt.make_lt)
# Names are not cut in two there, as they would be in the table of the options.
app.command(epilog=f"Arms: {', '.join(ARMS)}.")(compare.compare)
app.command()(export.export)
app.command()(verify.verify)
app.command()(review.review)
app.command()(deploy.deploy)
app.add_typer(cache.app)
app.command()(settings.settings)
app.command()(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"terrabalance {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", help="Show what happens inside.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    _log_to_terminal(logging.INFO if verbose else logging.WARNING)
    _need_a_folder()
    # Before Prefect is imported: it reads these once. Nothing is sent to anybody by default.
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # As `terrabalance deploy` promises.
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
    for logs in ("PREFECT_LOGGING_LEVEL", "PREFECT_LOGGING_INTERNAL_LEVEL"):
        os.environ.setdefault(logs, "INFO" if verbose else "CRITICAL")
    # Of the embedded server: not shown, but kept for the sentence that says why it did not start.
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "INFO" if verbose else "ERROR")


def _log_to_terminal(level: int) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter())
    logging.basicConfig(level=level, handlers=[handler])


def _need_a_folder() -> None:
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise BadInput("the current folder was deleted. Change into another one.") from error


def _open_missing_streams() -> None:
    """Open what a daemon or cron job has closed: the next file would get its number, and its lines.

    `os.open` returns the lowest number that is free.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def main() -> None:
    """Run the command line; a user's error is one line and exit code 2."""
    _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what its encoding lacks is escaped, no error
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except TerrabalanceError as error:
        _refuse(str(error))
    except OSError as error:  # no space, no permission, no such disk
        _refuse(in_words(error))
    except (MemoryError, RuntimeError, ImportError) as error:
        if is_out_of_threads(error):
            _refuse(no_threads_in_words())
        if not is_out_of_memory(error):
            raise
        _refuse(no_memory_in_words(error))


def _refuse(reason: str) -> NoReturn:
    from rich.markup import escape

    with suppress(BadInput):  # the exit code says so where nothing can be printed
        errors.print(f"[bold red]error:[/] {escape(reason)}", soft_wrap=True)
    sys.exit(2)
