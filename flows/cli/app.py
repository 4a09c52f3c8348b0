"""The command line: `terrabalance run DATA` and every stage alone."""

import logging
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from classifier.arms.registry import ARMS
from flows.cli import (
    cache,
    commands,
    compare,
    demo,
    deploy,
    inpaint,
    options,
    review,
    settings,
    verify,
)
from flows.cli.configure import configure_run, plan_options
from terrabalance import __version__
from terrabalance.errors import TerrabalanceError

if TYPE_CHECKING:
    from flows.settings.config import RunConfig

_STOPPED = 130  # 128 + SIGINT, as shells count


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        """Run a command; Ctrl-C ends it with a line and exit code 130."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            errors.print("Stopped. The same command goes on where it was.")
            raise typer.Exit(_STOPPED) from None


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
    "dataset, `review` lets you refuse synthetic images by eye, `inpaint` repairs a single image, "
    "`verify` checks a dataset.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
errors = Console(stderr=True)


def _stage_command(work: Callable[["RunConfig"], None]) -> None:
    """Register a command that takes DATA and the options all commands share."""

    def command(
        data: options.Data,
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
        work(configure_run(data, given, config_file, settings))

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
app.command()(inpaint.inpaint)
# Names are not cut in two there, as they would be in the table of the options.
app.command(epilog=f"Arms: {', '.join(ARMS)}.")(compare.compare)
app.command()(verify.verify)
app.command()(review.review)
app.command()(deploy.deploy)
app.add_typer(cache.app)
app.command()(settings.settings)


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
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING)
    # Before Prefect is imported: it reads these once. Nothing is sent to anybody by default.
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # As `terrabalance deploy` promises.
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO" if verbose else "CRITICAL")
    # Of the embedded server: it tells with a traceback what it then tries again.
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "INFO" if verbose else "CRITICAL")


def main() -> None:
    """Run the command line; a user's error is one line and exit code 2."""
    try:
        app()
    except (TerrabalanceError, OSError) as error:  # OSError: no space, no permission, no such disk
        errors.print(f"[bold red]error:[/] {_escape(str(error))}", soft_wrap=True)
        sys.exit(2)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
