"""Prefect's view of the stages: every `task(...)` of the project is here, and nothing else is.

A task gets the run's config and a class name and gives a path: images and tensors never cross
a task boundary. What is done is read from disk by the stages, not from Prefect's cache, which
would remember a path and not whether its file still lives.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import httpx
import torch
from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError

from augment.catalogue.counts import class_table
from augment.report.balance import balance_markdown
from classifier.report.comparison import comparison_markdown
from classifier.study.mixing import tell_mixing
from classifier.train.experiment import Trial, trials_of
from flows.orchestrate.artifacts import listen, publish_class, publish_page, publish_table
from flows.orchestrate.busy import tell_of_busy_server
from flows.orchestrate.logs import tell_refusals_in_words
from flows.settings.config import RunConfig
from flows.stages import catalogue as catalogues
from flows.stages import generators
from flows.stages import plan as plans
from flows.stages.account import class_facts, sample_of, write_account
from flows.stages.classifiers import experiment_of, train_classifier
from flows.stages.comparable import NOTHING_FILLED
from flows.stages.compare import compare_arms
from flows.stages.dataset import DRAWN_NOTICE, Parts, assemble_dataset
from flows.stages.report_page import write_report
from flows.stages.run import Run
from flows.stages.synthetic import synthesize_class
from flows.store import paths
from flows.store.timings import timed
from terrabalance.errors import (
    BadInput,
    ProcessLost,
    StoreUnreachable,
    SystemRefused,
    TerrabalanceError,
)
from terrabalance.files import read_json
from terrabalance.page import duration
from terrabalance.system_errors import in_words
from terrabalance.wording import listed

# Here, as a worker imports a flow by its module and calls nothing else.
tell_refusals_in_words()
tell_of_busy_server()
P = ParamSpec("P")
R = TypeVar("R")
_RETRIES = 2
_RETRY_DELAY_S = 10
# What may pass: a full disk or GPU, a lost connection, a killed process. A bug or a wrong setting
# stays.
_PASSING = (
    StoreUnreachable, ProcessLost, OSError, torch.OutOfMemoryError, httpx.TransportError,
    ConcurrencySlotAcquisitionError,
)  # fmt: skip
_LASTING = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


def _may_pass(_task: Any, _run: Any, state: Any) -> bool:
    """Return whether trying again may help."""
    error = state.result(raise_on_failure=False)
    if isinstance(error, SystemRefused):
        error = error.__cause__
    return isinstance(error, _PASSING) and not isinstance(error, _LASTING)


@functools.lru_cache(maxsize=1)
def _run_on_catalogue(config: RunConfig) -> Run:
    # All tasks of a class ask, and a million rows take two seconds to read.
    return Run(config)


def _run_of(config: RunConfig) -> Run:
    """Return the run; one that names a finished catalogue, which never changes, is kept."""
    return _run_on_catalogue(config) if config.catalogue else Run(config)


def _noticed(config: RunConfig, markdown: str) -> str:
    return f"> {DRAWN_NOTICE}\n\n{markdown}" if config.drawn else markdown


def _stage(name: str, task_run_name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Return the decorator that all stages share."""
    as_task = task(
        name=name,
        task_run_name=task_run_name,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=_RETRIES,
        retry_delay_seconds=_RETRY_DELAY_S,
        retry_condition_fn=_may_pass,
    )

    def decorate(stage: Callable[P, R]) -> Task[P, R]:
        @functools.wraps(stage)  # of which Prefect takes the parameters and the description
        def in_sentences(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return stage(*args, **kwargs)
            except TerrabalanceError:
                raise
            except OSError as error:
                raise SystemRefused(in_words(error)) from error

        return as_task(in_sentences)

    return decorate


@_stage(name="catalogue", task_run_name="catalogue {config.data.name}")
def catalogue(config: RunConfig) -> Path:
    """Scan and split the data; publish the class counts as a table."""
    listener = listen("scan")
    folder = timed(config, "scan", lambda: catalogues.make_catalogue(config, listener))
    table = class_table(catalogues.read_catalogue(config, folder))
    rows = table.astype(object).to_dict("records")
    publish_table("class-counts", rows, f"Images a class in {config.data.name}")
    return folder


@_stage(name="plan", task_run_name="plan {config.plan.target}")
def plan(config: RunConfig) -> Path:
    """Decide what each class gets and what it will cost; publish the plan as a table."""
    listener = listen("plan")
    path = timed(config, "plan", lambda: plans.make_plan(_run_of(config), listener))
    record = read_json(path)
    about = f"{_cost_in_words(record)} {record['left_out']}".rstrip()
    publish_table("plan", record["classes"], about)
    return path


def _cost_in_words(plan: dict[str, Any]) -> str:
    if not any(row["n_needed"] for row in plan["classes"]):
        return NOTHING_FILLED
    cost = plan["cost"]
    return (
        f"About {duration(cost['train_s'])} of training and {duration(cost['sample_s'])} of "
        f"sampling on {cost['device']}. {plans.NOT_COUNTED}"
    )


@_stage(name="train-base", task_run_name="train the base")
def train_base(config: RunConfig) -> Path | None:
    """Train the base that every class's generator starts from; without one, nothing."""
    label, run = "train the base", _run_of(config)
    listener = listen(label)
    return timed(config, label, lambda: generators.train_base(run, listener))


@_stage(name="fill", task_run_name="fill {class_name}")
def fill(config: RunConfig, class_name: str) -> Path:
    """Train one class's generator and draw the class's synthetic images; publish the facts."""
    run, label = _run_of(config), f"train {class_name}"
    training = listen(label)
    timed(config, label, lambda: generators.train_class(run, class_name, training))
    label = f"synthesize {class_name}"
    drawing = listen(label)
    folder = timed(config, label, lambda: synthesize_class(run, class_name, drawing))
    filled = run.plan_of(class_name)
    publish_class(class_facts(run, filled), sample_of(run, filled))
    return folder


@_stage(name="account", task_run_name="account of the classes")
def account(config: RunConfig, failed: dict[str, str]) -> Path:
    """Write what was made and what was not as `reports/<run>/account.json`; publish it."""
    path = write_account(_run_of(config), failed)
    publish_table("account", read_json(path), "What was made of each class")
    return path


@_stage(name="assemble", task_run_name="assemble {config.run_name}")
def assemble(config: RunConfig) -> Path:
    """Put the balanced dataset together."""
    listener = listen("assemble")
    return timed(config, "assemble", lambda: assemble_dataset(_run_of(config), listener))


@_stage(name="classify", task_run_name="classifiers of seed {seed}")
def classify(config: RunConfig, seed: int) -> Path:
    """Train the classifiers of every arm with one seed."""
    trials = [trial for trial in trials_of(config.classifier) if trial.seed == seed]
    if not trials:
        seeds = listed(config.classifier.seeds)
        raise BadInput(f"seed {seed} is none of this run's classifiers, which have {seeds}.")
    run = _run_of(config)
    experiment = experiment_of(run, Parts(run).key)

    def train(trial: Trial) -> Path:
        return train_classifier(config, experiment, trial, listen(f"classify {trial}"))

    tell_mixing(experiment)
    for trial in trials:
        timed(config, f"classify {trial.arm}", functools.partial(train, trial))
    return paths.classifiers_folder(config)


@_stage(name="compare", task_run_name="compare {config.run_name}")
def compare(config: RunConfig) -> Path:
    """Compare the arms; publish the verdict."""
    path = timed(config, "compare", lambda: compare_arms(_run_of(config), listen))
    verdict = comparison_markdown(read_json(path))
    publish_page("classifier-comparison", _noticed(config, verdict))
    return path


@_stage(name="report", task_run_name="report {config.run_name}")
def report(config: RunConfig) -> Path:
    """Write the report page; publish its summary and where it is."""
    listener = listen("report")
    path = timed(config, "report", lambda: write_report(_run_of(config), listener))
    balance = read_json(path.with_name("balance.json"))
    publish_page("balance-report", _noticed(config, balance_markdown(balance)))
    # No link: a browser opens no file from a page that a server sent.
    publish_page(
        "report-page",
        "The report with all pictures is one file, which opens in any browser:\n\n"
        f"```\n{path}\n```",
    )
    return path
