"""The command line: `terrabalance run DATA` and every stage alone."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from classifier.arms.registry import ARMS
from flows.cli import cache, commands, options
from flows.cli.console import bars, print_path
from terrabalance import __version__
from terrabalance.errors import TerrabalanceError

if TYPE_CHECKING:
    from flows.settings.config import RunConfig

_STOPPED = 130  # 128 + SIGINT, as shells count


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        """Do what the command says; Ctrl-C ends it with a line and exit code 130."""
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
    "was interrupted goes on when it is given again. `compare` judges classifiers on any dataset, "
    "`review` lets you refuse synthetic images by eye, `inpaint` repairs a single image, "
    "`verify` checks a dataset.",
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
    from flows.settings.config import build_config

    return build_config(data, config_file, settings or [], given)


def _configure_run(
    data: Path, given: dict[str, Any], config_file: Path | None, settings: list[str] | None
) -> "RunConfig":
    from augment.catalogue.sources import check_source

    config = _configure(data, given, config_file, settings)
    if config.catalogue is None:  # before torch is imported: who mistypes a path is told at once
        check_source(config.data, config.images)
    return config


def _names(listed: str | None) -> list[str] | None:
    return [name.strip() for name in listed.split(",")] if listed else None


def _plan_options(classes: str | None, target: str | None) -> dict[str, Any]:
    return {"classes": _names(classes), "target": target}


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
        work(_configure_run(data, given, config_file, settings))

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


@app.command()
def demo(
    settings: options.Settings = None,
    workdir: options.Workdir = None,
    device: options.Device = None,
) -> None:
    """Run everything on a small imbalanced set of drawn scenes, in a few minutes on a CPU."""
    from augment.scenes import DEMO_COUNTS, draw_dataset

    given = {"preset": "demo", "workdir": workdir, "device": device, "drawn": True}
    config = _configure(Path("scenes"), given, settings=settings)
    folder = config.workdir / "data" / "scenes"
    with bars() as watcher:
        draw_dataset(folder, DEMO_COUNTS, on_progress=watcher("draw scenes"))
    commands.run(config.model_copy(update={"data": folder}))


@app.command()
def inpaint(
    image: Annotated[Path, typer.Argument(help="A real image, JPEG, PNG, TIFF or WebP.")],
    mask: Annotated[Path, typer.Option(help="Image of the same shape; white is filled.")],
    generator: Annotated[Path, typer.Option(help="Folder below data/generators/.")],
    class_name: Annotated[
        str | None, typer.Option("--class", help="Class to draw, if the generator draws several.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write. Default: IMAGE_repaired beside it.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=64, help="Different fillings.")] = 1,
    seed: options.Seed = 0,
    settings: options.Settings = None,
    device: options.Device = None,
) -> None:
    """Fill a clouded or damaged part of a real image with a class's generator.

    The picture comes at the generator's size, known pixels unchanged, and says in its metadata
    what was filled. Put into the data, it trains and is never validated or tested on. Settings:
    steps=50, jump=2, resamplings=5 (RePaint, 242 network calls).

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


# Names are not cut in two there, as they would be in the table of the options.
@app.command(epilog=f"Arms: {', '.join(ARMS)}.")
def compare(
    data: options.Data,
    arms: Annotated[
        str | None,
        typer.Option(help="Arms to compare, separated by commas; all are named below."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Numbers separated by commas. Default: 0,1,2.")
    ] = None,
    tries: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=6,
            help="Settings that every arm is tried with; validation chooses. Default: 2.",
        ),
    ] = None,
    resolution: Annotated[
        int | None,
        typer.Option(
            min=8,
            help="Side that every image is reduced to first, px. Default: of the smallest.",
        ),
    ] = None,
    preset: options.Preset = None,
    config_file: options.ConfigFile = None,
    settings: options.Settings = None,
    weights: options.Weights = None,
    images: options.Images = None,
    workdir: options.Workdir = None,
    name: options.Name = None,
    device: options.Device = None,
) -> None:
    """Compare classifiers on a balanced dataset, a manifest, or data without synthetic images.

    DATA is a folder below data/datasets/ or a manifest.parquet; a CSV may also have the column
    `source` (real, synthetic), so that images from anywhere can be judged. Every arm gets the same
    network, steps, schedule and seeds; validation chooses, test is opened once, at the end. Goes
    on where it was stopped. The page is `reports/<name>/index.html`.

    Example: `terrabalance compare data/datasets/aid-cpu-1f2e3d --arms real,class-weight,synthetic`
    """
    from flows.cli.console import print_verdict
    from flows.stages.compare import compare_manifest

    classifier = {
        "arms": _names(arms),
        "seeds": _names(seeds),
        "tries": tries,
        "weights": weights,
        "resolution": resolution,
    }
    given = {
        "preset": preset,
        "images": images,
        "workdir": workdir,
        "name": name,
        "device": device,
        "classifier": classifier,
    }
    config = _configure(data, given, config_file, settings)
    with bars() as watcher:
        page = compare_manifest(config, watcher)
    print_verdict(page.with_name("comparison.json"))
    print_path("Comparison", page)


@app.command()
def verify(
    dataset: Annotated[Path, typer.Argument(help="A folder below data/datasets/.")],
) -> None:
    """Check that a balanced dataset is as it was made, and every synthetic image marked as such.

    Finds files that changed, are gone, or that the manifest does not know, synthetic images that
    lost a mark (text, XMP DigitalSourceType) or are in val or test, and real ones with the mark of
    a synthetic one. Changes nothing. Exit code 1 where anything is wrong.

    Example: `terrabalance verify data/datasets/aid-cpu-1f2e3d`
    """
    from augment.dataset.verify import verify as problems_of
    from flows.cli.console import console, print_problems

    with bars() as watcher:
        problems = problems_of(dataset, watcher("verify"))
    if problems:
        print_problems(problems)
        raise typer.Exit(1)
    console.print("Every file is as the manifest says, every synthetic image is marked.")


@app.command()
def review(
    data: options.Data,
    by: Annotated[
        str | None, typer.Option(help="Who decides. Default: the name of this login.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
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
) -> None:
    """Accept or refuse synthetic images by eye, with the keyboard, on a page of this machine.

    Give the options of the run. Each decision is kept at once in the class's manifest, with who
    and when, and goes before the rules; `terrabalance run` afterwards draws what is missing and
    assembles the dataset anew. The page is reached from this machine alone. Ctrl-C ends it.

    Example: `terrabalance review aid.zip --preset 8gb --classes Mountain --by Ada`
    """
    import getpass

    from flows.cli.review import board_of
    from flows.cli.serve import serve

    given = {
        "preset": preset,
        "images": images,
        "workdir": workdir,
        "name": name,
        "seed": seed,
        "plan": _plan_options(classes, target),
        "classifier": {"weights": weights},
    }
    config = _configure_run(data, given, config_file, settings)
    serve(board_of(config, by or getpass.getuser()), port, browser)


@app.command()
def deploy(
    pool: Annotated[
        str, typer.Option(help="Work pool for what plans, waits and assembles.")
    ] = "terrabalance",
    gpu_pool: Annotated[
        str, typer.Option(help="Work pool for what trains and draws; may be the same.")
    ] = "terrabalance-gpu",
    workdir: Annotated[
        Path | None,
        typer.Option(
            help="Folder on the workers' machines that gets data/ and reports/ where a run names "
            "no other. Default: the current folder."
        ),
    ] = None,
) -> None:
    """Register the flows on the Prefect server of PREFECT_API_URL, to be run by its workers.

    Each with its description and a form of its parameters. Missing work pools are made (type
    process), and automations that mark as crashed any run whose machine is gone. May be given
    again at any time, after an update for instance; schedules are kept. A worker needs this
    package and no checkout: `prefect worker start --pool terrabalance`.

    Example: `terrabalance deploy --workdir /mnt/balance`
    """
    from flows.cli.console import print_deployments
    from flows.orchestrate import deploy as work

    print_deployments(work.deploy(pool, gpu_pool, (workdir or Path()).expanduser().absolute()))


app.add_typer(cache.app)


@app.command("settings")
def list_settings(preset: options.Preset = None) -> None:
    """List every setting with its value in a preset and its meaning.

    Example: `terrabalance settings --preset 8gb`
    """
    from flows.cli.console import print_settings

    print_settings(_configure(Path(), {"preset": preset}))


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
    os.environ.setdefault(
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30"
    )  # as flows.orchestrate.deploy promises
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
