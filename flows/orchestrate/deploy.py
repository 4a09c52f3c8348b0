"""Register the flows on a Prefect server, with work pools and what no run may lack."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.exceptions import ObjectNotFound
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker
from pydantic import ValidationError

from flows.orchestrate import balance
from flows.orchestrate.automations import HEARTBEAT_S, TAG, ensure_automations
from flows.orchestrate.server import need_named_server, some_server
from flows.settings.execution import RUNNER_VARIABLE
from terrabalance import __version__
from terrabalance.errors import BadInput
from terrabalance.wording import shown, unfit

_GPU_TAG = "gpu"
ENVIRONMENT = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
    "DO_NOT_TRACK": "1",
}
_ENTER_FOLDER = "flows.orchestrate.pull_step.enter_folder"


class _Broken(Exception):
    """A deployment on the server is such that what its user set in it might be lost."""


@dataclass(frozen=True)
class Entry:
    """One flow to register; its docstring is the description."""

    flow: Flow[..., Any]
    needs_gpu: bool = False

    @property
    def name(self) -> str:
        """What `prefect deployment run` takes."""
        return f"{self.flow.name}/{self.flow.name}"

    @property
    def tags(self) -> list[str]:
        """What the deployment's runs can be found by."""
        return [TAG, _GPU_TAG] if self.needs_gpu else [TAG]


ENTRIES = (
    Entry(balance.balance_dataset),
    Entry(balance.scan_and_plan),
    Entry(balance.train_and_synthesize),
    Entry(balance.train_base, needs_gpu=True),
    Entry(balance.fill_class, needs_gpu=True),
    Entry(balance.train_classifiers, needs_gpu=True),
    Entry(balance.compare_classifiers),
)


def deploy(pool: str, gpu_pool: str, workdir: Path) -> dict[str, str]:
    """Register every flow; return the work pool of each deployment, by the deployment's name.

    What is there is brought up to date and keeps its schedules and job variables, so it may be done
    again at any time. Where the pools differ, flows that wait send their work to the workers. Work
    pools that are missing are made, of type process; others are left as they are.

    Args:
        pool: of what plans, waits and assembles.
        gpu_pool: of what trains and draws.
        workdir: where workers run the flows: what a run's relative `workdir` starts from.

    Raises:
        BadInput: no server is named, a work pool cannot have such a name, or a deployment that is
            there cannot be understood; all others are registered then.
        ServerUnreachable: it does not answer, or cannot be used.
    """
    pools = {entry.name: gpu_pool if entry.needs_gpu else pool for entry in ENTRIES}
    need_named_server("a deployment")
    wanted = [_pool_of(name) for name in dict.fromkeys(pools.values())]
    with some_server(), get_client(sync_client=True) as client:
        for each in wanted:
            _ensure_pool(client, each)
        broken = {}
        for entry in ENTRIES:
            waits = not entry.needs_gpu and pool != gpu_pool
            environment = ENVIRONMENT | ({RUNNER_VARIABLE: "workers"} if waits else {})
            try:
                _register(client, entry, pools[entry.name], workdir, environment)
            except (_Broken, ValidationError) as error:  # of what the server says that it has
                broken[entry.name] = str(error) if isinstance(error, _Broken) else unfit(error)
        ensure_automations(client)
    if broken:
        raise BadInput(
            f"not updated: {'; '.join(f'{name} ({why})' for name, why in broken.items())}. All "
            "others are. Correct it on the server, or `prefect deployment delete` it, with its "
            "schedules, and give the command again."
        )
    return pools


def _pool_of(name: str) -> WorkPoolCreate:
    template = ProcessWorker.get_default_base_job_template()
    try:
        return WorkPoolCreate(name=name, type=ProcessWorker.type, base_job_template=template)
    except ValidationError as error:
        raise BadInput(
            f"{shown(name)}: no work pool can be called so. Give --pool and --gpu-pool a name that "
            "is not empty and has none of / % & < >."
        ) from error


def _ensure_pool(client: SyncPrefectClient, pool: WorkPoolCreate) -> None:
    try:
        client.read_work_pool(pool.name)
    except ObjectNotFound:
        client.create_work_pool(pool)


def _register(
    client: SyncPrefectClient, entry: Entry, pool: str, workdir: Path, environment: dict[str, str]
) -> None:
    flow = entry.flow
    fields: dict[str, Any] = {
        "version": __version__,
        "description": flow.description,
        "tags": entry.tags,
        "work_pool_name": pool,
        "path": None,
        # By module, not by file: a worker needs the package and no checkout.
        "entrypoint": f"{flow.__module__}.{flow.fn.__name__}",
        # Without a step, Prefect copies the worker's folder, with all data in it, to a temporary
        # one, runs there, and removes it with all that the run has made.
        "pull_steps": [{_ENTER_FOLDER: {"directory": str(workdir)}}],
        "parameter_openapi_schema": parameter_schema(flow).model_dump(exclude_unset=True),
        "enforce_parameter_schema": True,
        "job_variables": {"env": environment},
    }
    try:
        known = client.read_deployment_by_name(entry.name)
    except ObjectNotFound:
        client.create_deployment(client.create_flow_from_name(flow.name), flow.name, **fields)
    else:  # creating it anew would drop the schedules that it has
        job = known.job_variables  # a user may have added keys or an image
        kept = {key: value for key, value in _env_of(job).items() if key != RUNNER_VARIABLE}
        fields["job_variables"] = {**job, "env": {**kept, **environment}}
        client.update_deployment(known.id, DeploymentUpdate(**fields))


def _env_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return the environment in job variables, which anybody may have written; null is none."""
    env = job.get("env")
    if env is not None and not isinstance(env, dict):
        raise _Broken(f"its job variable env is {shown(env)}, not names and values")
    return env or {}
