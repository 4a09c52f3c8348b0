"""The command line: `terrabalance run DATA` and every stage alone."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from flows import options
from flows.console import bars, print_classes, print_path, print_plan
from terrabalance import __version__
from terrabalance.errors import TerrabalanceError

if TYPE_CHECKING:
    from flows.config import RunConfig

app = typer.Typer(
    name="terrabalance",
    help="Balance aerial image classes with one diffusion model per minority class, and say "
    "honestly whether it helped.\n\n"
    "`terrabalance demo` shows the whole of it on scenes that it draws itself. "
    "`terrabalance run DATA` does the same on your images. The other commands are the stages "
    "of a run, in order: scan, plan, train, sample, assemble, classify, report. All take the same "
    "options; what an earlier command has made is found again and not repeated, so a command that "
    "was interrupted goes on when it is given again.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
errors = Console(stderr=True)


def _configure(
    data: Path,
    given: dict[str, Any],
    config_file: Path | None = None,
    settings: list[str] | None = None,
) -> "RunConfig":
    from flows.config import build_config

    return build_config(data, config_file, settings or [], given)


def _plan_options(classes: str | None, target: str | None) -> dict[str, Any]:
    names = [name.strip() for name in classes.split(",")] if classes else None
    # A preset may limit how many classes are filled; classes that are named are all meant.
    return {"classes": names, "rarest": len(names) if names else None, "target": target}


def _stage_command(name: str, work: Callable[["RunConfig"], None]) -> None:
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
        workdir: options.Workdir = None,
        name: options.Name = None,
        seed: options.Seed = None,
        device: options.Device = None,
    ) -> None:
        given = {
            "preset": preset,
            "images": images,
            "workdir": workdir,
            "name": name,
            "seed": seed,
            "device": device,
            "plan": _plan_options(classes, target),
            "classifier": {"weights": weights},
        }
        work(_configure(data, given, config_file, settings))

    app.command(name, help=work.__doc__)(command)


def _scan(config: "RunConfig") -> None:
    """List every image: size, bands, hashes, and what is wrong with it; count the classes.

    Bad files are named and left out, never changed or deleted. Splits the images into train, val
    and test (or keeps the given split), near-duplicates together.
    """
    from flows import stages
    from terrabalance.manifest import read_manifest

    with bars() as watcher:
        folder = stages.make_catalogue(config, watcher("scan"))
    print_classes(read_manifest(folder))
    print_path("Catalogue", folder / "manifest.csv")


def _plan(config: "RunConfig") -> None:
    """Show which classes are minorities, what each gets, and what it will cost."""
    from flows import stages
    from terrabalance.files import read_json

    path = stages.make_plan(config)
    print_plan(read_json(path))
    print_path("Plan", path)


def _train(config: "RunConfig") -> None:
    """Train one generator for each class that the plan fills. Goes on where it was stopped."""
    from flows import stages

    for job in stages.load_jobs(config):
        with bars() as watcher:
            label = f"train {job.class_name}"
            folder = stages.train_class(config, job.class_name, watcher(label))
        print_path(job.class_name, folder)


def _sample(config: "RunConfig") -> None:
    """Draw the synthetic images from the trained generators. Skips images that are there."""
    from flows import stages

    for job in stages.load_jobs(config):
        with bars() as watcher:
            label = f"sample {job.class_name}"
            folder = stages.synthesize_class(config, job.class_name, watcher(label))
        print_path(job.class_name, folder)


def _assemble(config: "RunConfig") -> None:
    """Put real and synthetic images together as train, val and test folders with a manifest."""
    from flows import stages

    with bars() as watcher:
        folder = stages.assemble_dataset(config, watcher("assemble"))
    print_path("Dataset", folder)


def _classify(config: "RunConfig") -> None:
    """Train the classifier with and without the synthetic images, for every seed; compare."""
    from classifier.data import ARMS
    from flows import stages

    for seed in config.classifier.seeds:
        for arm in ARMS:
            with bars() as watcher:
                stages.classify_arm(config, arm, seed, watcher(f"classify {arm}, seed {seed}"))
    print_path("Comparison", stages.compare_arms(config))


def _report(config: "RunConfig") -> None:
    """Write the report page from what the stages made."""
    from flows import stages

    print_path("Report", stages.write_report(config))


def _run(config: "RunConfig") -> None:
    """Do everything: scan, plan, train, sample, assemble, classify, report.

    Runs as the Prefect flow `balance-dataset` on Prefect's embedded server (or on the one that
    PREFECT_API_URL names). Stopped at any moment, the same command goes on where it was.
    """
    from flows.console import print_verdict

    with bars() as watcher:
        from flows.balance import balance_dataset
        from flows.watch import watched_by

        with watched_by(watcher):
            page = balance_dataset(config)
    print_verdict(page.with_name("comparison.json"))
    print_path("Report", page)


for _name, _work in {
    "run": _run,
    "scan": _scan,
    "plan": _plan,
    "train": _train,
    "sample": _sample,
    "assemble": _assemble,
    "classify": _classify,
    "report": _report,
}.items():
    _stage_command(_name, _work)


@app.command()
def demo(workdir: options.Workdir = None, device: options.Device = None) -> None:
    """Run everything on a small imbalanced set of drawn scenes, in a few minutes on a CPU."""
    from augment.scenes import DEMO_COUNTS, draw_dataset

    folder = (workdir or Path()) / "data" / "scenes"
    with bars() as watcher:
        draw_dataset(folder, DEMO_COUNTS, on_progress=watcher("draw scenes"))
    given = {"preset": "demo", "workdir": workdir, "device": device, "drawn": True}
    _run(_configure(folder, {**given, "name": "demo"}))


@app.command("settings")
def list_settings() -> None:
    """List every setting with its default and meaning."""
    from flows.config import RunConfig
    from flows.console import print_settings

    print_settings(RunConfig)


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
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO" if verbose else "ERROR")


def main() -> None:
    """Run the command line; a user's error is one line and exit code 2."""
    try:
        app()
    except TerrabalanceError as error:
        errors.print(f"[bold red]error:[/] {_escape(str(error))}", soft_wrap=True)
        sys.exit(2)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
