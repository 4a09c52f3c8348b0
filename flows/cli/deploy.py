"""`terrabalance deploy`: register the flows on a Prefect server."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.prefects import read_prefects_settings


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

    read_prefects_settings()
    from flows.orchestrate import deploy as work

    print_deployments(work.deploy(pool, gpu_pool, (workdir or Path()).expanduser().absolute()))
