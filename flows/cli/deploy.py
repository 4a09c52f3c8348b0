"""`terrabalance deploy`: register the flows on a Prefect server."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.prefects import read_prefects_settings
from flows.settings.addresses import is_address
from terrabalance.errors import BadInput
from terrabalance.wording import shown


def deploy(
    pool: Annotated[
        str, typer.Option(help="Work pool for what plans, waits and assembles.")
    ] = "terrabalance",
    gpu_pool: Annotated[
        str, typer.Option(help="Work pool for what trains and draws; may be the same.")
    ] = "terrabalance-gpu",
    workdir: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder on the workers' machines that gets data/ and reports/ where a run names "
            "no other; an address (s3://) is given with the run. Default: the current folder.",
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

    if is_address(workdir):
        raise BadInput(
            f"--workdir {shown(workdir)}: a deployment has a folder on the workers' machines. Give "
            'an address as "workdir" in the parameters of the run.'
        )
    read_prefects_settings()
    from flows.orchestrate import deploy as work

    print_deployments(work.deploy(pool, gpu_pool, Path(workdir or "").expanduser().absolute()))
