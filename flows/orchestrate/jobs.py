"""What of a run can be done on any machine: the base, each class, the classifiers of each seed.

All are given the name of the catalogue, so that none scans the data again: it may not be on their
machine, and of ten million files that would take each of them long.
"""

from functools import partial

from flows.orchestrate import tasks
from flows.orchestrate.job import Work
from flows.settings.config import RunConfig
from flows.stages import stages
from flows.store import paths
from flows.store.sync import is_finished
from terrabalance.files import fingerprint


def base_work(config: RunConfig) -> list[Work]:
    """Return the training of the base; nothing where there is none, or a finished one is named."""
    folder = paths.base_folder(config, stages.load_catalogue(config))
    if folder is None or config.base_from is not None:
        return []
    return [
        Work(
            label="the base",
            task=tasks.train_base,
            deployment="train-base/train-base",
            parameters={"config": for_others(config)},
            key=_key(config, folder.name),
            is_done=partial(is_finished, config, folder),
            n_devices=config.execution.devices_per_class,
        )
    ]


def class_works(config: RunConfig) -> list[Work]:
    """Return the filling of each class of the plan, rarest first."""
    catalogue, named = stages.load_catalogue(config), for_others(config)
    works = []
    for job in stages.load_jobs(config):
        folder = paths.synthetic_folder(config, catalogue, job)
        works.append(
            Work(
                label=job.class_name,
                task=tasks.fill,
                deployment="fill-class/fill-class",
                parameters={"config": named, "class_name": job.class_name},
                key=_key(config, folder.name),
                is_done=partial(stages.is_filled, config, folder),
                n_devices=config.execution.devices_per_class,
            )
        )
    return works


def classifier_works(config: RunConfig) -> list[Work]:
    """Return the training of all arms, a piece of work for each seed."""
    bench, named = stages.load_bench(config), for_others(config)
    return [
        Work(
            label=f"classifiers of seed {seed}",
            task=tasks.classify,
            deployment="train-classifiers/train-classifiers",
            parameters={"config": named, "seed": seed},
            key=_key(config, bench.comparison_key, seed),
            is_done=partial(stages.is_classified, config, bench, seed),
        )
        for seed in config.classifier.seeds
    ]


def for_others(config: RunConfig) -> RunConfig:
    """Return the same settings with the finished catalogue in place of the data.

    Whoever does the work does it where it is.
    """
    here = config.execution.model_copy(update={"runner": "local"})
    catalogue = stages.make_catalogue(config).name
    return config.model_copy(update={"catalogue": catalogue, "execution": here})


def _key(config: RunConfig, *parts: object) -> str:
    """Name a result and the place where it is wanted."""
    return fingerprint(config.storage or str(config.workdir), *parts)
