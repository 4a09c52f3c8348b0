"""`terrabalance doctor`: what works on this machine, and what to mend."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from flows.cli import options
from flows.cli.checks.finding import Finding, of_sentence
from terrabalance import __version__
from terrabalance.errors import TerrabalanceError
from terrabalance.system_errors import in_words


def doctor(
    workdir: options.Workdir = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Look at this machine: say in one screen what works, and what mends what does not.

    Looks at the packages, the device, memory and disk, the workdir, the Prefect server, and the
    weights that are here. Asks nobody but the Prefect server of PREFECT_API_URL and the store of
    --workdir, and leaves no file there. Exit code 1 where something is broken that runs need.

    --json prints one object: `terrabalance` (its version), `ok` (nothing is broken) and `checks`, a
    list of objects of `name`, `state` (ok, warning or broken), `found` and `advice` ("": none).

    Example: `terrabalance doctor --workdir /mnt/balance`
    """
    from flows.cli.console import print_findings

    findings = _findings(workdir)
    works = all(one.state != "broken" for one in findings)
    if as_json:
        told = {
            "terrabalance": __version__,
            "ok": works,
            "checks": [asdict(one) for one in findings],
        }
        typer.echo(json.dumps(told, indent=2))
    else:
        print_findings(findings)
    if not works:
        raise typer.Exit(1)


def _findings(workdir: str | None) -> list[Finding]:
    """Return what every check found.

    Raises:
        BadInput: the workdir is an address that cannot be one.
    """
    from flows.cli.checks import devices, packages, places, services
    from flows.settings.addresses import local_folder

    folder = local_folder(workdir)  # first: torch takes seconds
    checks: dict[str, Callable[[], Finding]] = {
        "python": packages.check_python,
        "torch": packages.check_torch,
        "packages": packages.check_packages,
        "extras": packages.check_extras,
        "device": devices.check_device,
        "cores": devices.check_cores,
        "precision": devices.check_precision,
        "memory": places.check_memory,
        "disk": partial(places.check_disk, folder),
        "workdir": partial(places.check_workdir, workdir, folder),
        "links": partial(places.check_links, folder),
        "prefect": services.check_prefect,
        "preset": devices.check_preset,
        "weights": lambda: services.check_weights(devices.fitting_preset()),
    }
    return [_finding_of(name, check) for name, check in checks.items()]


def _finding_of(name: str, check: Callable[[], Finding]) -> Finding:
    """Return what a check found; what it ends with is what a run would end with."""
    try:
        return check()
    except TerrabalanceError as error:
        return of_sentence(name, "broken", str(error))
    except OSError as error:
        return of_sentence(name, "broken", in_words(error))
    except Exception as error:  # a package that is broken raises anything, and the rest is told
        said = str(error).partition("\n")[0]
        return Finding(name, "broken", f"{type(error).__name__}: {said}", "Mend the lines above")
