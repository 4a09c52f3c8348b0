"""The jobs of a run: the base, each class, the classifiers of each seed.

All are given the name of the catalogue, so that none scans the data again: it may not be on their
machine, and ten million files take long.
"""

from functools import partial

from flows.orchestrate import tasks
from flows.orchestrate.job import Job
from flows.settings.config import RunConfig
from flows.stages.class_images import images_of
from flows.stages.classifiers import experiment_of, is_classified
from flows.stages.dataset import Parts
from flows.stages.generators import base_of
from flows.stages.run import Run
from flows.store.result import find
from terrabalance.files import fingerprint


def base_jobs(run: Run) -> list[Job]:
    """Return the training of the base; nothing where there is none, or a finished one is named."""
    base, config = base_of(run), run.config
    if base is None or config.base_from is not None:
        return []
    return [
        Job(
            label="the base",
            task=tasks.train_base,
            deployment="train-base/train-base",
            parameters={"config": run.on_other_machines},
            key=_key(config, base.place.name),
            is_done=partial(find, config, base),
            n_devices=config.execution.devices_per_class,
        )
    ]


def class_jobs(run: Run) -> list[Job]:
    """Return the filling of each class of the plan, rarest first."""
    config, jobs = run.config, []
    for plan in run.filled:
        images = images_of(run, plan)
        jobs.append(
            Job(
                label=plan.class_name,
                task=tasks.fill,
                deployment="fill-class/fill-class",
                parameters={"config": run.on_other_machines, "class_name": plan.class_name},
                key=_key(config, images.place.name),
                is_done=partial(find, config, images),
                n_devices=config.execution.devices_per_class,
            )
        )
    return jobs


def classifier_jobs(run: Run) -> list[Job]:
    """Return the training of all arms, a job for each seed."""
    experiment = experiment_of(run, Parts(run).key)
    return [
        Job(
            label=f"classifiers of seed {seed}",
            task=tasks.classify,
            deployment="train-classifiers/train-classifiers",
            parameters={"config": run.on_other_machines, "seed": seed},
            key=_key(run.config, experiment.comparison_key, seed),
            is_done=partial(is_classified, run.config, experiment, seed),
        )
        for seed in run.config.classifier.seeds
    ]


def _key(config: RunConfig, *parts: object) -> str:
    """Name a result and the place where it is wanted."""
    return fingerprint(config.storage or str(config.workdir), *parts)
