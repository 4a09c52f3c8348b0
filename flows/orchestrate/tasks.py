"""Prefect's view of the stages: every `task(...)` of the project is here, and nothing else is.

A task gets the run's config and a class name and gives a path: images and tensors never cross
a task boundary. What is done is read from disk by the stages, not from Prefect's cache, which
would remember a path and not whether its file still lives.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE

from augment.catalogue.counts import class_table
from augment.report.balance import balance_markdown
from classifier.report.comparison import comparison_markdown
from classifier.train.experiment import trials_of
from flows.orchestrate.artifacts import listen, publish_class, publish_page, publish_table
from flows.settings.config import RunConfig
from flows.stages import generators, stages
from flows.stages.account import class_facts, sample_of, write_account
from flows.stages.report import write_report
from flows.store import paths
from flows.store.devices import on_devices
from flows.store.timings import timed
from terrabalance.errors import ProcessLost, StoreUnreachable, TerrabalanceError
from terrabalance.files import read_json
from terrabalance.manifest import read_manifest
from terrabalance.page import duration

P = ParamSpec("P")
R = TypeVar("R")
_RETRIES = 2
_RETRY_DELAY_S = 10


def _may_help(_task: Any, _run: Any, state: Any) -> bool:
    """Retry what may pass (a full disk, a killed process), not what will fail again."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, StoreUnreachable | ProcessLost) or not isinstance(
        error, TerrabalanceError | AssertionError | TypeError
    )


def _noticed(config: RunConfig, markdown: str) -> str:
    return f"> {stages.DRAWN_NOTICE}\n\n{markdown}" if config.drawn else markdown


def _stage(name: str, task_run_name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Return the decorator that all stages share."""
    return task(
        name=name,
        task_run_name=task_run_name,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=_RETRIES,
        retry_delay_seconds=_RETRY_DELAY_S,
        retry_condition_fn=_may_help,
    )


@_stage(name="catalogue", task_run_name="catalogue {config.data.name}")
def catalogue(config: RunConfig) -> Path:
    """Scan and split the data; publish the class counts as a table."""
    listener = listen("scan")
    folder = timed(config, "scan", lambda: stages.make_catalogue(config, listener))
    table = class_table(read_manifest(folder))
    rows = table.astype(object).to_dict("records")
    publish_table("class-counts", rows, f"Images a class in {config.data.name}")
    return folder


@_stage(name="plan", task_run_name="plan {config.plan.target}")
def plan(config: RunConfig) -> Path:
    """Decide what each class gets and what it will cost; publish the plan as a table."""
    stages.check_classifier(config, from_hub=False)
    path = timed(config, "plan", lambda: stages.make_plan(config))
    record = read_json(path)
    cost = record["cost"]
    publish_table(
        "plan",
        record["classes"],
        f"About {duration(cost['train_s'])} of training and {duration(cost['sample_s'])} of "
        f"sampling on {cost['device']}. {record['left_out']}".rstrip(),
    )
    return path


@_stage(name="train-base", task_run_name="train the base")
def train_base(config: RunConfig) -> Path | None:
    """Train the base that every class's generator starts from; without one, nothing."""
    listener = listen("train the base")
    with on_devices(config, config.execution.devices_per_class) as here:
        return timed(config, "train the base", lambda: generators.train_base(here, listener))


@_stage(name="fill", task_run_name="fill {class_name}")
def fill(config: RunConfig, class_name: str) -> Path:
    """Train one class's generator and draw the class's synthetic images; publish how it went."""
    with on_devices(config, config.execution.devices_per_class) as here:
        label = f"train {class_name}"
        listener = listen(label)
        timed(config, label, lambda: generators.train_class(here, class_name, listener))
        label = f"synthesize {class_name}"
        listener = listen(label)
        folder = timed(config, label, lambda: stages.synthesize_class(here, class_name, listener))
    catalogue, job = stages.load_catalogue(config), stages.job_of(config, class_name)
    publish_class(class_facts(config, catalogue, job), sample_of(config, catalogue, job))
    return folder


@_stage(name="account", task_run_name="account of the classes")
def account(config: RunConfig, failed: dict[str, str]) -> Path:
    """Write what was made and what was not as `reports/<run>/account.json`; publish it."""
    path = write_account(config, failed)
    publish_table("account", read_json(path), "What was made of each class")
    return path


@_stage(name="assemble", task_run_name="assemble {config.run_name}")
def assemble(config: RunConfig) -> Path:
    """Put the balanced dataset together."""
    listener = listen("assemble")
    return timed(config, "assemble", lambda: stages.assemble_dataset(config, listener))


@_stage(name="classify", task_run_name="classifiers of seed {seed}")
def classify(config: RunConfig, seed: int) -> Path:
    """Train the classifiers of every arm with one seed."""
    with on_devices(config) as here:
        for each in trials_of(here.classifier):
            if each.seed == seed:
                train = partial(stages.classify, here, each, listen(f"classify {each}"))
                timed(config, f"classify {each.arm}", train)
    return paths.classifiers_folder(config)


@_stage(name="compare", task_run_name="compare {config.run_name}")
def compare(config: RunConfig) -> Path:
    """Compare the arms; publish the verdict."""
    with on_devices(config) as here:
        path = timed(config, "compare", lambda: stages.compare_arms(here))
    verdict = comparison_markdown(read_json(path))
    publish_page("classifier-comparison", _noticed(config, verdict))
    return path


@_stage(name="report", task_run_name="report {config.run_name}")
def report(config: RunConfig) -> Path:
    """Write the report page; publish its summary and where it is."""
    path = timed(config, "report", lambda: write_report(config))
    balance = read_json(path.with_name("balance.json"))
    publish_page("balance-report", _noticed(config, balance_markdown(balance)))
    # No link: a browser opens no file from a page that a server sent.
    publish_page(
        "report-page",
        "The report with all pictures is one file, which opens in any browser:\n\n"
        f"```\n{path}\n```",
    )
    return path
