"""The stages of a run as plain functions: they read files, write files and know no Prefect.

Every stage can be called alone; one that needs another's result says so. What is made lies where
`flows.store.paths` says.
"""

import functools
import json
import logging
from pathlib import Path
from typing import Any, TypeVar

from augment.catalogue.counts import summarize
from augment.catalogue.scan import scan
from augment.catalogue.sources import open_source
from augment.catalogue.split import assign_splits
from augment.config import TrainingConfig
from augment.dataset.assemble import assemble, dataset_key, is_assembled
from augment.network.generator import CARD, read_card
from augment.plan import ClassJob, jobs_of, plan_classes, plan_record
from augment.screen.outcome import is_screened
from augment.train.cost import estimate_cost
from classifier.config import TRAINED_HERE
from classifier.network.model import build_model
from classifier.study.ledger import LEDGER
from classifier.study.study import compare_bench
from classifier.train.experiment import Bench, Training, trainings_of
from classifier.train.training import is_trained, train
from flows.settings.config import RunConfig
from flows.stages.synthetic import draw_accepted
from flows.store import paths
from flows.store.bands import bands_of, resolution_of
from flows.store.locks import turn
from flows.store.originals import publish_originals, with_originals
from flows.store.sync import adding, exchange, fetch_file, is_shared, peek, publish_files, sharing
from terrabalance.device import pick_device
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import (
    done,
    fingerprint,
    mark_done,
    read_json,
    write_json,
)
from terrabalance.manifest import Manifest, count_by_class, read_manifest, write_manifest
from terrabalance.progress import Progress, silent

_log = logging.getLogger(__name__)
R = TypeVar("R")

DRAWN_NOTICE = (
    "These scenes were drawn by terrabalance to try the pipeline. They are not real aerial images, "
    "and no figure on this page says anything about real ones."
)


def make_catalogue(
    config: RunConfig, on_progress: Progress = silent, synthetic: bool = False
) -> Path:
    """Scan the data and split it; return the catalogue's folder.

    Args:
        config: of the run.
        on_progress: told of files.
        synthetic: whether a CSV may list synthetic images too.

    Raises:
        BadInput: the data cannot be used, or a class is too small to split.
        NotReady: `config.catalogue` names one that is not there.
    """
    if config.catalogue is not None:
        return _named_catalogue(config)
    source = open_source(config.data, config.workdir / "data" / "extracted", config.images)
    if not synthetic and any(entry.source != "real" for entry in source.entries):
        raise BadInput(
            f"{config.data}: lists synthetic images. Only real ones are balanced; to compare "
            "classifiers with and without those, use `terrabalance compare`."
        )
    folder = paths.catalogue_folder(config, source)
    if done(folder) is None:
        exchange(config, folder)
    if done(folder) is None:
        manifest = assign_splits(scan(source, config.scan, on_progress), config.split, config.seed)
        write_manifest(manifest, folder)
        write_json(folder / "summary.json", summarize(manifest))
        mark_done(folder, {"data": str(config.data), "n_images": len(manifest.frame)})
    paths.note_catalogue(config, source, folder)
    if not is_shared(config, folder):
        publish_originals(config, read_manifest(folder), on_progress)
        exchange(config, folder)
    return folder


def _named_catalogue(config: RunConfig) -> Path:
    folder = config.workdir / "data" / "catalogues" / str(config.catalogue)
    if done(folder) is None:
        exchange(config, folder)
    if done(folder) is None:
        raise NotReady(
            f"{config.storage or config.workdir}: no finished catalogue {config.catalogue!r}. Run "
            "`terrabalance scan` where the data is, and give the name of the folder that it makes."
        )
    return folder


def load_catalogue(config: RunConfig) -> Manifest:
    """Return the catalogue's manifest, made first where it is missing."""
    folder = make_catalogue(config)
    changed_ns = (folder / "manifest.parquet").stat().st_mtime_ns
    return with_originals(config, folder, _catalogue_in(folder, changed_ns))


@functools.lru_cache(maxsize=1)
def _catalogue_in(folder: Path, _changed_ns: int) -> Manifest:
    """Read a catalogue once: all stages of a class ask, and a million rows take two seconds."""
    return read_manifest(folder)


def make_plan(config: RunConfig) -> Path:
    """Plan every class and measure what it will cost; return the path of `plan.json`."""
    paths.is_begun(config)  # refuses a name that is taken, before any work
    manifest = load_catalogue(config)
    counts = {str(name): int(n) for name, n in count_by_class(manifest, "train").items()}
    jobs = plan_classes(counts, config.plan)  # refuses unknown classes, before there is a folder
    path = paths.report_folder(config) / "plan.json"
    key = fingerprint(paths.FORMAT, counts, config.result_key)
    if not _is_of(path, key):
        fetch_file(config, path)
    if not _is_of(path, key):
        _warn_of_judge(config)
        device = pick_device(config.device_here)
        filled = [job.class_name for job in jobs if job.n_needed]
        trainings = _trainings(config, manifest, {name: counts[name] for name in filled})
        n_images = sum(job.n_needed for job in jobs)
        bands = bands_of(config, manifest)
        cost = estimate_cost(trainings, n_images, config.generator, config.sampling, device, bands)
        write_json(path, {"key": key, **plan_record(jobs, config.plan, cost)})
        publish_files(config, [path])
    return path


def _warn_of_judge(config: RunConfig) -> None:
    """Say so where a named base spares no class its training."""
    if config.base_from and config.training.evaluations and config.fidelity.model == TRAINED_HERE:
        _log.warning(
            "base_from: every class is trained again when any image changes, as fidelity.model="
            "%s is trained on all images. Name a pretrained network to train only classes whose "
            "own images changed.",
            TRAINED_HERE,
        )


def _is_of(plan: Path, key: str) -> bool:
    return plan.exists() and read_json(plan)["key"] == key


def _trainings(
    config: RunConfig, manifest: Manifest, counts: dict[str, int]
) -> list[TrainingConfig]:
    """Return the loop of every generator that the filled classes need, with its own steps."""
    base = paths.base_folder(config, manifest)
    own = [n for c, n in counts.items() if paths.generator_folder(config, manifest, c) != base]
    loops = [config.training.for_images(n) for n in own]
    trains_base = counts and base is not None and config.base_from is None
    return [config.base, *loops] if trains_base else loops


def made_of(config: RunConfig) -> tuple[int, int]:
    """Return how many filled classes have their generator, and their images, on this machine."""
    manifest, jobs = load_catalogue(config), load_jobs(config)
    generators = [paths.generator_folder(config, manifest, job.class_name) for job in jobs]
    images = [paths.synthetic_folder(config, manifest, job) for job in jobs]
    return sum(done(g) is not None for g in generators), sum(map(is_screened, images))


def check_classifier(config: RunConfig, from_hub: bool = True) -> None:
    """Build the classifier once: a missing file should not come up after hours of training.

    Raises:
        BadInput: an unknown model, a file that does not fit, or, where weights of the hub are to
            be fetched (`from_hub`), a hub that cannot be reached.
    """
    wanted = config.classifier
    if not from_hub:
        wanted = wanted.model_copy(update={"pretrained": False})
    build_model(wanted, n_classes=2)


def load_jobs(config: RunConfig) -> list[ClassJob]:
    """Return the classes to fill, rarest first, planned first where that is missing."""
    return jobs_of(read_json(make_plan(config)))


def job_of(config: RunConfig, class_name: str) -> ClassJob:
    """Return what the plan says of a class.

    Raises:
        BadInput: the plan does not fill it.
    """
    jobs = {job.class_name: job for job in load_jobs(config)}
    if class_name not in jobs:
        raise BadInput(f"{class_name!r} is not filled by this plan, which fills {list(jobs)}.")
    return jobs[class_name]


def synthesize_class(config: RunConfig, class_name: str, on_progress: Progress = silent) -> Path:
    """Draw the synthetic images that a class needs, and refuse some; return their folder.

    Raises:
        NotReady: the class's generator has not been trained.
    """
    return draw_accepted(config, load_catalogue(config), job_of(config, class_name), on_progress)


def synthetic_folders(config: RunConfig, manifest: Manifest) -> dict[str, Path]:
    """Return the finished synthetic folders by class.

    Raises:
        NotReady: a class lacks its images; the message names all such classes.
    """
    jobs = load_jobs(config)
    folders = {job.class_name: paths.synthetic_folder(config, manifest, job) for job in jobs}
    if missing := [name for name, folder in folders.items() if not is_filled(config, folder)]:
        raise NotReady(
            f"no finished synthetic images for {missing}. Run `terrabalance train` and "
            "`terrabalance sample` with the same options first."
        )
    return folders


def assemble_dataset(config: RunConfig, on_progress: Progress = silent) -> Path:
    """Put real and synthetic images together; return the balanced dataset's folder."""
    catalogue, synthetic, about = _dataset_parts(config)
    folder = paths.dataset_folder(config)
    exchange(config, folder, changes=True)
    assemble(catalogue, synthetic, folder, about, on_progress)
    exchange(config, folder)
    return folder


def _dataset_parts(config: RunConfig) -> tuple[Manifest, list[Manifest], dict[str, Any]]:
    """Return the real images, the synthetic ones, and what the dataset card says."""
    manifest = load_catalogue(config)
    folders = synthetic_folders(config, manifest)
    generators = [paths.generator_folder(config, manifest, name) for name in folders]
    about = {
        "name": config.run_name,
        **({"notice": DRAWN_NOTICE} if config.drawn else {}),
        "seed": config.seed,
        "generators": {folder.name: _card_of_result(config, folder) for folder in generators},
        "sampling": config.sampling.model_dump(),
    }
    return manifest, [read_manifest(path) for path in folders.values()], about


def key_of_dataset(config: RunConfig) -> str:
    """Hash all that goes into the balanced dataset.

    Raises:
        NotReady: a class lacks its images.
    """
    return dataset_key(*_dataset_parts(config))


def generator_of(config: RunConfig, manifest: Manifest, class_name: str) -> Path:
    """Return a class's generator, fetched where another machine has trained it."""
    folder = paths.generator_folder(config, manifest, class_name)
    exchange(config, folder)
    return folder


def card_of(config: RunConfig, generator: Path) -> dict[str, Any]:
    """Return a generator's card; of one that another machine trained, without its weights.

    Raises:
        NotReady: it is not trained.
    """
    data = None if done(generator) is not None else peek(config, generator, CARD)
    return read_card(generator) if data is None else dict(json.loads(data))


def _card_of_result(config: RunConfig, generator: Path) -> dict[str, Any]:
    """Return a generator's card less what differs between two trainings of the same result."""
    differs = {"seconds", "peak_memory_bytes"}
    return {key: value for key, value in card_of(config, generator).items() if key not in differs}


def load_bench(config: RunConfig) -> Bench:
    """Return what all classifiers of a run share.

    Raises:
        NotReady: the balanced dataset is not there, or is of other images.
    """
    drawn_at = config.generator.image_size
    return Bench(
        _load_dataset(config),
        config.classifier,
        resolution_of(config, drawn_at, drawn_at),
        pick_device(config.device_here),
        paths.classifiers_folder(config),
        bands_of(config, load_catalogue(config)),
    )


def classify(config: RunConfig, training: Training, on_progress: Progress = silent) -> Path:
    """Train one classifier and ask it about val; return its folder."""
    bench = load_bench(config)
    folder = bench.folder(training)
    paths.note_use(config, f"classifier {training}", folder)
    with (
        turn(folder, f"another process trains {training}, waiting for it", on_progress),
        sharing(config, folder, on_progress) as listener,
    ):
        return train(bench, training, listener)


def is_filled(config: RunConfig, synthetic: Path) -> bool:
    """Say whether a class's synthetic images are drawn and screened, on whichever machine."""
    exchange(config, synthetic, changes=True)
    return is_screened(synthetic)


def is_classified(config: RunConfig, bench: Bench, seed: int) -> bool:
    """Say whether the classifiers of every arm with one seed are trained, wherever."""
    mine = [each for each in trainings_of(bench.config) if each.seed == seed]
    for each in mine:
        exchange(config, bench.folder(each))
    return all(is_trained(bench, each) for each in mine)


def _load_dataset(config: RunConfig) -> Manifest:
    """Return the balanced dataset's manifest.

    Raises:
        NotReady: it is not there, or of other images than the stages before it now have.
    """
    folder = paths.dataset_folder(config)
    exchange(config, folder, changes=True)
    if not is_assembled(folder, key_of_dataset(config)):
        raise NotReady(
            f"{folder}: no balanced dataset of these images. Run `terrabalance assemble` with the "
            "same options first."
        )
    return read_manifest(folder)


def compare_arms(config: RunConfig, on_progress: Progress = silent) -> Path:
    """Train what is missing, and compare the arms on test; return `comparison.json`."""
    bench = load_bench(config)
    folder = paths.report_folder(config)
    kind = "drawn" if config.drawn else "real"
    trained = [bench.folder(training) for training in trainings_of(bench.config)]
    with adding(config, trained, bench.root / LEDGER):
        record = compare_bench(bench, folder, kind, on_progress)
    record["dataset"] = key_of_dataset(config)
    write_json(folder / "comparison.json", record)
    publish_files(config, [folder / "comparison.json", folder / "predictions.csv"])
    return folder / "comparison.json"
