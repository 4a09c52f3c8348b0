"""`terrabalance review`: accept or refuse synthetic images by eye."""

import getpass
import os
from typing import Annotated

import typer

from flows.cli import options
from flows.cli.configure import configure_stage, plan_options


def review(
    data: options.DataOrRun,
    by: Annotated[
        str | None,
        typer.Option(help="Who decides. Default: the name of this login, or its number."),
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

    Give the run's name or its report folder, or DATA with the options of the run. Each decision is
    kept at once in the class's manifest, with who and when, and goes before the rules;
    `terrabalance run` afterwards draws what is missing and assembles the dataset anew. The page is
    reached from this machine alone. Ctrl-C ends it.

    Example: `terrabalance review aid-cpu-1f2e3d --by Ada`
    """
    from flows.cli.review_board import board_of
    from flows.cli.serve import serve
    from flows.stages.run import Run

    given = {
        "preset": preset,
        "images": images,
        "workdir": workdir,
        "name": name,
        "seed": seed,
        "plan": plan_options(classes, target),
        "classifier": {"weights": weights},
    }
    config = configure_stage(data, given, config_file, settings)
    serve(board_of(Run(config), by or _login()), port, browser)


def _login() -> str:
    """Return the name of this login; its number where the system has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in containers, where any number may be a user
        return f"user {os.getuid()}"
