"""The flows. Each reads as a table of contents; the work is in `flows.stages`."""

from pathlib import Path

from prefect import flow, tags
from prefect.runtime import flow_run

from classifier.bench import trainings_of
from flows import tasks
from flows.config import RunConfig
from flows.stages import load_jobs
from flows.store import report_folder
from terrabalance.errors import TerrabalanceError


class ClassesFailed(TerrabalanceError):
    """Some classes could not be made; the others were."""


@flow(name="scan-and-plan", flow_run_name="scan and plan {config.run_name}")
def scan_and_plan(config: RunConfig) -> Path:
    """Catalogue and split the data, plan what each class gets; return the plan's path."""
    report_folder(config)  # refuses a name that is taken, before any work
    tasks.catalogue(config)
    return tasks.plan(config)


@flow(name="train-and-synthesize", flow_run_name="train and synthesize {config.run_name}")
def train_and_synthesize(config: RunConfig) -> Path:
    """Fill every minority class; return the balanced dataset's folder.

    One class after the other, as they share one device. A class that fails does not stop the
    others: the flow fails at its end, names them, and a rerun repairs only those.
    """
    tasks.train_base(config)
    failed = {}
    for job in load_jobs(config):
        state = tasks.train(config, job.class_name, return_state=True)
        if state.is_completed():
            state = tasks.synthesize(config, job.class_name, return_state=True)
        if not state.is_completed():
            failed[job.class_name] = str(state.message)
    if failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise ClassesFailed(f"{len(failed)} classes failed, the others are kept. {reasons}")
    return tasks.assemble(config)


@flow(name="train-base", flow_run_name="train the base of {config.run_name}")
def train_base(config: RunConfig) -> Path | None:
    """Train the base that every class's generator starts from; return its folder."""
    return tasks.train_base(config)


@flow(name="fill-class", flow_run_name="fill {class_name} of {config.run_name}")
def fill_class(config: RunConfig, class_name: str) -> Path:
    """Train one class's generator and draw its synthetic images; return their folder."""
    tasks.train(config, class_name)
    return tasks.synthesize(config, class_name)


@flow(name="compare-classifiers", flow_run_name="compare classifiers {config.run_name}")
def compare_classifiers(config: RunConfig) -> Path:
    """Train the classifier of every arm and seed; return the comparison's path."""
    for training in trainings_of(config.classifier):
        tasks.classify(config, training.arm, training.seed, training.share)
    return tasks.compare(config)


@flow(name="balance-dataset", flow_run_name="balance {config.run_name}")
def balance_dataset(config: RunConfig) -> Path:
    """Run everything: count, plan, train, synthesize, assemble, compare; return the report."""
    with tags(*flow_run.tags):  # by which the server knows whose silence means a crash
        scan_and_plan(config)
        train_and_synthesize(config)
        compare_classifiers(config)
        return tasks.report(config)
