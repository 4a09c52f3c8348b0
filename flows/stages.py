"""The stages of a run as plain functions: they read files, write files and know no Prefect.

Every stage can be called alone; one that needs another's result says so. What is made is kept
under a fingerprint of all that decided it, so the same command again skips what is there, and a
changed setting never overwrites what another run made:

    <workdir>/data/catalogues/<data>-<key>/      manifest, summary.json
    <workdir>/data/generators/<class>-<key>/     weights, card, losses, previews
    <workdir>/data/synthetic/<class>-<key>/      images, manifest
    <workdir>/data/classifiers/<arm>-<seed>-<key>/   predictions
    <workdir>/data/datasets/<run>/               the balanced dataset
    <workdir>/reports/<run>/                     config, plan, comparison, the report
"""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from augment.assemble import assemble
from augment.cost import estimate_cost
from augment.counts import summarize
from augment.plan import ClassJob, jobs_of, plan_classes, plan_record
from augment.report import balance_record, balance_section, balance_table
from augment.sampling import sample_class as draw_class
from augment.scan import scan
from augment.sources import Source, open_source
from augment.split import assign_splits
from augment.training import Recipe, train_generator
from classifier.comparison import compare, read_predictions
from classifier.data import ARMS, Arm, arm_rows, inputs_fingerprint, train_counts
from classifier.model import build_model
from classifier.report import comparison_section
from classifier.training import train_arm
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
    slug,
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
# Raise when a stage's files would come out different for the same settings.
_FORMAT = 1


def report_folder(config: RunConfig) -> Path:
    """Return `reports/<run>`, with the run's settings in `config.json`.

    Raises:
        BadInput: the run's name belongs to a run with other settings.
    """
    folder = config.workdir / "reports" / config.run_name
    path, settings = folder / "config.json", config.model_dump(mode="json")
    if not path.exists():
        write_json(path, settings)
    elif RunConfig(**read_json(path)).result_key != config.result_key:
        raise BadInput(
            f"a run named {config.run_name!r} with other settings is in {folder}. "
            "Choose another --name, or none to have one made."
        )
    return folder


def make_catalogue(config: RunConfig, on_progress: Progress = silent) -> Path:
    """Scan the data and split it; return the catalogue's folder.

    Raises:
        BadInput: the data cannot be used, or a class is too small to split.
    """
    source = open_source(config.data, config.workdir / "data" / "extracted", config.images)
    folder = _catalogue_folder(config, source)
    if done(folder) is None:
        manifest = assign_splits(scan(source, config.scan, on_progress), config.split, config.seed)
        write_manifest(manifest, folder)
        write_json(folder / "summary.json", summarize(manifest))
        mark_done(folder, {"data": str(config.data), "n_images": len(manifest.frame)})
    return folder


def _catalogue_folder(config: RunConfig, source: Source) -> Path:
    stats = [(source.root / entry.path).stat() for entry in source.entries]
    listing = [
        (entry.path, entry.class_name, entry.split, stat.st_size, stat.st_mtime_ns)
        for entry, stat in zip(source.entries, stats, strict=True)
    ]
    settings = [config.scan.model_dump(), config.split.model_dump(), config.seed]
    key = fingerprint(_FORMAT, str(source.root), listing, settings)
    stem = slug(config.data.name.split(".")[0])
    return config.workdir / "data" / "catalogues" / f"{stem}-{key}"


def load_catalogue(config: RunConfig) -> Manifest:
    """Return the catalogue's manifest, made first where it is missing."""
    return read_manifest(make_catalogue(config))


def make_plan(config: RunConfig) -> Path:
    """Plan every class and measure what it will cost; return the path of `plan.json`."""
    path = report_folder(config) / "plan.json"
    manifest = load_catalogue(config)
    # Unknown models and missing weights should not wait for hours of generator training.
    build_model(config.classifier, n_classes=2)
    counts = {str(name): int(n) for name, n in count_by_class(manifest, "train").items()}
    key = fingerprint(_FORMAT, counts, config.result_key)
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


def generator_folder(config: RunConfig, manifest: Manifest, class_name: str) -> Path:
    """Return where a class's generator lives, or will."""
    rows = manifest.usable("train", class_name)
    training = config.training.model_dump(exclude={"checkpoint_every", "preview_every"})
    recipe = [class_name, config.generator.model_dump(), training, config.seed]
    key = fingerprint(_FORMAT, recipe, list(rows["sha256"]))
    return config.workdir / "data" / "generators" / f"{slug(class_name)}-{key}"


def train_class(config: RunConfig, class_name: str, on_progress: Progress = silent) -> Path:
    """Train one class's generator on its train part; return its folder."""
    manifest = load_catalogue(config)
    folder = generator_folder(config, manifest, class_name)
    if done(folder) is not None:
        return folder
    paths = manifest.paths(manifest.usable("train", class_name))
    images = read_squares(paths, config.generator.image_size)
    recipe = Recipe(class_name, config.generator, config.training, config.seed)
    return train_generator(images, recipe, folder, pick_device(config.device), on_progress)


def synthetic_folder(config: RunConfig, manifest: Manifest, job: ClassJob) -> Path:
    """Return where a class's synthetic images live, or will."""
    generator = generator_folder(config, manifest, job.class_name)
    key = fingerprint(_FORMAT, generator.name, config.sampling.model_dump(), job.n_needed)
    return config.workdir / "data" / "synthetic" / f"{slug(job.class_name)}-{key}"


def synthesize_class(config: RunConfig, class_name: str, on_progress: Progress = silent) -> Path:
    """Draw the synthetic images that a class needs; return their folder.

    Raises:
        NotReady: the class's generator has not been trained.
    """
    manifest, job = load_catalogue(config), _job(config, class_name)
    return draw_class(
        generator_folder(config, manifest, class_name),
        job.n_needed,
        config.sampling,
        config.seed,
        synthetic_folder(config, manifest, job),
        pick_device(config.device),
        config.run_name,
        on_progress,
    )


def _synthetic_folders(config: RunConfig, manifest: Manifest) -> dict[str, Path]:
    """Return the finished synthetic folders by class.

    Raises:
        NotReady: a class lacks its images; the message names all such classes.
    """
    folders = {job.class_name: synthetic_folder(config, manifest, job) for job in load_jobs(config)}
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
    folder = config.workdir / "data" / "datasets" / config.run_name
    about = {
        "name": config.run_name,
        "drawn": config.drawn,
        "seed": config.seed,
        "generator": config.generator.model_dump(),
        "training": config.training.model_dump(),
        "sampling": config.sampling.model_dump(),
    }
    synthetic = [read_manifest(path) for path in folders.values()]
    assemble(manifest, synthetic, folder, about, on_progress)
    return folder


def classify_arm(config: RunConfig, arm: Arm, seed: int, on_progress: Progress = silent) -> Path:
    """Train and test one classifier; return the path of its `predictions.csv`."""
    dataset, side = _load_dataset(config), config.generator.image_size
    key = inputs_fingerprint(arm_rows(dataset, arm), arm, seed, config.classifier, side)
    folder = config.workdir / "data" / "classifiers" / f"{arm}-seed{seed}-{key[:12]}"
    device = pick_device(config.device)
    return train_arm(dataset, arm, seed, config.classifier, side, folder, device, on_progress)


def _load_dataset(config: RunConfig) -> Manifest:
    return read_manifest(config.workdir / "data" / "datasets" / config.run_name)


def compare_arms(config: RunConfig) -> Path:
    """Compare the trained arms on the test part; return the path of `comparison.json`."""
    folder, dataset = report_folder(config), _load_dataset(config)
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
    folder, manifest = report_folder(config), load_catalogue(config)
    synthetic = _synthetic_folders(config, manifest)
    generators = {name: generator_folder(config, manifest, name) for name in synthetic}
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
    path = report_folder(config) / "timings.json"
    timings = read_json(path) if path.exists() else {}
    timings[stage] = round(timings.get(stage, 0.0) + time.monotonic() - began, 1)
    write_json(path, timings)
    return result
