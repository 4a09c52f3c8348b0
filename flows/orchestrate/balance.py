"""The flows. Each reads as a table of contents; the work is in `flows.stages`."""

from pathlib import Path

from prefect import flow, tags
from prefect.runtime import flow_run

from flows.orchestrate import tasks
from flows.orchestrate.jobs import base_jobs, class_jobs, classifier_jobs
from flows.orchestrate.perform import perform
from flows.settings.config import RunConfig
from flows.stages.plan import check_classifier
from flows.stages.run import Run
from flows.store.uses import is_begun
from terrabalance.errors import TerrabalanceError


class JobsFailed(TerrabalanceError):
    """Some of the jobs failed; what was made is kept."""


@flow(name="scan-and-plan", flow_run_name="scan and plan {config.run_name}")
def scan_and_plan(config: RunConfig) -> Path:
    """Catalogue and split the data, plan what each class gets; return the plan's path."""
    is_begun(config)  # refuses a name that is taken, before any work
    tasks.catalogue(config)
    return tasks.plan(config)


@flow(name="train-and-synthesize", flow_run_name="train and synthesize {config.run_name}")
def train_and_synthesize(config: RunConfig) -> Path:
    """Fill every minority class; return the balanced dataset's folder.

    `execution` sets where and how many at once. A class that fails does not stop the others: the
    flow fails at its end, names them, and a rerun repairs only those.
    """
    run = Run(config)
    _require(perform(config, base_jobs(run), "the base"))
    failed = perform(config, class_jobs(run), "classes")
    tasks.account(run.catalogued, failed)
    _require(failed)
    return tasks.assemble(run.catalogued)


@flow(name="train-base", flow_run_name="train the base of {config.run_name}")
def train_base(config: RunConfig) -> Path | None:
    """Train the base that the generators of all classes start from, on this machine."""
    return tasks.train_base(config)


@flow(name="fill-class", flow_run_name="fill {class_name} of {config.run_name}")
def fill_class(config: RunConfig, class_name: str) -> Path:
    """Train one class's generator and draw its images, on this machine; return their folder."""
    return tasks.fill(config, class_name)


@flow(name="train-classifiers", flow_run_name="classifiers of seed {seed} of {config.run_name}")
def train_classifiers(config: RunConfig, seed: int) -> Path:
    """Train the classifiers of every arm with one seed, on this machine; return their folder."""
    return tasks.classify(config, seed)


@flow(name="compare-classifiers", flow_run_name="compare classifiers {config.run_name}")
def compare_classifiers(config: RunConfig) -> Path:
    """Train the classifier of every arm and seed; return the comparison's path."""
    run = Run(config)
    _require(perform(config, classifier_jobs(run), "classifiers"))
    return tasks.compare(run.catalogued)


@flow(name="balance-dataset", flow_run_name="balance {config.run_name}")
def balance_dataset(config: RunConfig) -> Path:
    """Run everything: count, plan, train, synthesize, assemble, compare; return the report.

    Where the plan fills no class, or there is but one, the report has no comparison.
    """
    with tags(*flow_run.tags):  # by which the server recognizes runs that have to send heartbeats
        check_classifier(config)
        scan_and_plan(config)
        config = Run(config).catalogued
        train_and_synthesize(config)
        if Run(config).why_not_compared is None:
            compare_classifiers(config)
        return tasks.report(config)


def _require(failed: dict[str, str]) -> None:
    if failed:
        reasons = "; ".join(f"{label}: {reason}" for label, reason in failed.items())
        raise JobsFailed(f"{len(failed)} failed, what was made is kept. {reasons}")
