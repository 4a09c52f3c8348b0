"""The stages of a run as plain functions: they read files, write files and know no Prefect.

Every stage can be called alone; one that needs another's result says so. What is made lies where
`flows.store` says.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from augment.assemble import assemble
from augment.cost import estimate_cost
from augment.counts import summarize
from augment.generator import CARD
from augment.plan import ClassJob, jobs_of, plan_classes, plan_record
from augment.recipe import Recipe
from augment.report import balance_record, balance_section, balance_table
from augment.sampling import sample_class as draw_class
from augment.scan import scan
from augment.sources import open_source
from augment.split import assign_splits
from augment.training import train_generator
from classifier.comparison import compare, read_predictions
from classifier.data import ARMS, Arm, train_counts
from classifier.model import build_model
from classifier.report import comparison_section
from classifier.training import train_arm
from flows import store
from flows.config import RunConfig
from terrabalance import __version__
from terrabalance.device import describe_device, pick_device
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import (
    atomic_write,
    done,
    fingerprint,
    mark_done,
    read_json,
    write_json,
)
from terrabalance.images import read_squares
from terrabalance.manifest import Manifest, count_by_class, read_manifest, write_manifest
from terrabalance.page import write_page
from terrabalance.progress import Progress, silent

DRAWN_NOTICE = (
    "These scenes were drawn by terrabalance to try the pipeline. They are not real aerial images, "
    "and no figure on this page says anything about real ones."
)


def make_catalogue(config: RunConfig, on_progress: Progress = silent) -> Path:
    """Scan the data and split it; return the catalogue's folder.

    Raises:
        BadInput: the data cannot be used, or a class is too small to split.
    """
    source = open_source(config.data, config.workdir / "data" / "extracted", config.images)
    folder = store.catalogue_folder(config, source)
    if done(folder) is None:
        manifest = assign_splits(scan(source, config.scan, on_progress), config.split, config.seed)
        write_manifest(manifest, folder)
        write_json(folder / "summary.json", summarize(manifest))
        mark_done(folder, {"data": str(config.data), "n_images": len(manifest.frame)})
    return folder


def load_catalogue(config: RunConfig) -> Manifest:
    """Return the catalogue's manifest, made first where it is missing."""
    return read_manifest(make_catalogue(config))


def make_plan(config: RunConfig) -> Path:
    """Plan every class and measure what it will cost; return the path of `plan.json`."""
    path = store.report_folder(config) / "plan.json"
    manifest = load_catalogue(config)
    # Unknown models and missing weights should not wait for hours of generator training.
    build_model(config.classifier, n_classes=2)
    counts = {str(name): int(n) for name, n in count_by_class(manifest, "train").items()}
    key = fingerprint(store.FORMAT, counts, config.result_key)
    if not path.exists() or read_json(path)["key"] != key:
        jobs = plan_classes(counts, config.plan)
        device = pick_device(config.device)
        cost = estimate_cost(jobs, config.generator, config.training, config.sampling, device)
        write_json(path, {"key": key, **plan_record(jobs, config.plan, cost)})
    return path


def load_jobs(config: RunConfig) -> list[ClassJob]:
    """Return the classes to fill, rarest first, planned first where that is missing."""
    return jobs_of(read_json(make_plan(config)))


def _job(config: RunConfig, class_name: str) -> ClassJob:
    jobs = {job.class_name: job for job in load_jobs(config)}
    if class_name not in jobs:
        raise BadInput(f"{class_name!r} is not filled by this plan, which fills {list(jobs)}.")
    return jobs[class_name]


def train_class(config: RunConfig, class_name: str, on_progress: Progress = silent) -> Path:
    """Train one class's generator on its train part; return its folder."""
    manifest = load_catalogue(config)
    folder = store.generator_folder(config, manifest, class_name)
    if done(folder) is not None:
        return folder
    paths = manifest.paths(manifest.usable("train", class_name))
    images = read_squares(paths, config.generator.image_size)
    recipe = Recipe(class_name, config.generator, config.training, config.seed)
    return train_generator(images, recipe, folder, pick_device(config.device), on_progress)


def synthesize_class(config: RunConfig, class_name: str, on_progress: Progress = silent) -> Path:
    """Draw the synthetic images that a class needs; return their folder.

    Raises:
        NotReady: the class's generator has not been trained.
    """
    manifest, job = load_catalogue(config), _job(config, class_name)
    return draw_class(
        store.generator_folder(config, manifest, class_name),
        job.n_needed,
        config.sampling,
        config.seed,
        store.synthetic_folder(config, manifest, job),
        pick_device(config.device),
        config.run_name,
        on_progress,
    )


def _synthetic_folders(config: RunConfig, manifest: Manifest) -> dict[str, Path]:
    """Return the finished synthetic folders by class.

    Raises:
        NotReady: a class lacks its images; the message names all such classes.
    """
    jobs = load_jobs(config)
    folders = {job.class_name: store.synthetic_folder(config, manifest, job) for job in jobs}
    if missing := [name for name, folder in folders.items() if done(folder) is None]:
        raise NotReady(
            f"no finished synthetic images for {missing}. Run `terrabalance train` and "
            "`terrabalance sample` with the same options first."
        )
    return folders


def assemble_dataset(config: RunConfig, on_progress: Progress = silent) -> Path:
    """Put real and synthetic images together; return the balanced dataset's folder."""
    manifest = load_catalogue(config)
    folders = _synthetic_folders(config, manifest)
    generators = [store.generator_folder(config, manifest, name) for name in folders]
    about = {
        "name": config.run_name,
        "drawn": config.drawn,
        "seed": config.seed,
        "generators": {folder.name: _card_without_time(folder) for folder in generators},
        "sampling": config.sampling.model_dump(),
    }
    synthetic = [read_manifest(path) for path in folders.values()]
    return assemble(manifest, synthetic, store.dataset_folder(config), about, on_progress).root


def _card_without_time(generator: Path) -> dict[str, Any]:
    """Return a generator's card less what differs between two trainings of the same result."""
    card: dict[str, Any] = read_json(generator / CARD)
    return {key: value for key, value in card.items() if key != "seconds"}


def classify_arm(config: RunConfig, arm: Arm, seed: int, on_progress: Progress = silent) -> Path:
    """Train and test one classifier; return the path of its `predictions.csv`."""
    dataset, side = _load_dataset(config), config.generator.image_size
    folder, device = store.classifier_folder(config, dataset, arm, seed), pick_device(config.device)
    return train_arm(dataset, arm, seed, config.classifier, side, folder, device, on_progress)


def _load_dataset(config: RunConfig) -> Manifest:
    return read_manifest(store.dataset_folder(config))


def compare_arms(config: RunConfig) -> Path:
    """Compare the trained arms on the test part; return the path of `comparison.json`."""
    folder, dataset = store.report_folder(config), _load_dataset(config)
    files: dict[tuple[str, int], Path] = {
        (a, s): classify_arm(config, a, s) for a in ARMS for s in config.classifier.seeds
    }
    predictions = read_predictions(files)
    with atomic_write(folder / "predictions.csv") as file:
        predictions.to_csv(file, index=False)
    record = compare(
        predictions,
        {arm: train_counts(dataset, arm) for arm in ARMS},
        resolution_px=config.generator.image_size,
        training=config.classifier.model_dump(mode="json"),
    )
    write_json(folder / "comparison.json", record)
    return folder / "comparison.json"


def write_report(config: RunConfig) -> Path:
    """Write the report from what the stages left; return the path of `index.html`.

    The comparison is shown when it is there; the balance part needs the synthetic images.
    """
    folder, manifest = store.report_folder(config), load_catalogue(config)
    synthetic = _synthetic_folders(config, manifest)
    generators = {name: store.generator_folder(config, manifest, name) for name in synthetic}
    side = config.generator.image_size
    plan = read_json(make_plan(config))
    balance = balance_record(manifest, plan, generators, synthetic, side)
    write_json(folder / "balance.json", balance)
    with atomic_write(folder / "classes.csv") as file:
        balance_table(balance).to_csv(file, index=False)
    sections = [balance_section(balance, manifest, generators, synthetic, side)]
    comparison = folder / "comparison.json"
    if comparison.exists():
        sections.insert(0, comparison_section(read_json(comparison)))
    return write_page(
        folder / "index.html",
        title=f"Balance report: {config.run_name}",
        subtitle=str(config.data.name),
        sections=sections,
        facts=_facts(config, folder),
        notice=DRAWN_NOTICE if config.drawn else None,
    )


def _facts(config: RunConfig, folder: Path) -> dict[str, str]:
    timings = read_json(folder / "timings.json") if (folder / "timings.json").exists() else {}
    stages = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in timings.items())
    return {
        "Data": config.data.name,
        "Preset": config.preset,
        "Resolution": f"{config.generator.image_size} px, real and synthetic images alike",
        "Seed": str(config.seed),
        "Device": describe_device(pick_device(config.device)),
        "Versions": f"terrabalance {__version__}, torch {torch.__version__}",
        "Time": stages or "not measured",
    }


def timed(config: RunConfig, stage: str, work: Callable[[], Path]) -> Path:
    """Do a stage's work and add its wall-clock seconds to `reports/<run>/timings.json`.

    A stage that was killed and went on adds up; one that had nothing to do adds next to nothing.
    """
    began = time.monotonic()
    result = work()
    path = store.report_folder(config) / "timings.json"
    timings = read_json(path) if path.exists() else {}
    timings[stage] = round(timings.get(stage, 0.0) + time.monotonic() - began, 1)
    write_json(path, timings)
    return result
