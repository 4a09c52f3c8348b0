"""Compare classifiers on any manifest, without a run around it."""

from pathlib import Path

import pandas as pd

from augment.measure.giveaway import HIGHEST_GIVE_AWAY
from classifier.arms import ARMS, DEFAULT_ARMS
from classifier.compare.predictions import read_predictions
from classifier.images.data import train_rows
from classifier.report.changes import changes_section
from classifier.report.comparison import comparison_section
from classifier.study.ledger import LEDGER
from classifier.study.study import compare_bench
from classifier.train.experiment import Bench, trainings_of
from classifier.train.training import train
from flows.settings.config import RunConfig
from flows.stages import stages
from flows.stages.fidelity import give_aways
from flows.stages.progress import Watcher
from flows.store import paths
from flows.store.bands import bands_of, resolution_of
from flows.store.originals import with_originals
from flows.store.sync import adding, publish_files, sharing
from terrabalance import __version__
from terrabalance.device import describe_device, pick_device
from terrabalance.errors import BadInput
from terrabalance.files import sha256_of, slug, write_json
from terrabalance.manifest import Manifest, read_manifest
from terrabalance.page import write_page
from terrabalance.progress import Progress
from terrabalance.sizes import Size


def compare_manifest(config: RunConfig, watcher: Watcher) -> Path:
    """Compare the arms on a manifest, a balanced dataset or a catalogue of data.

    What is trained lies below `data/classifiers/` and is found again, also by a run.

    Args:
        config: `data`, `classifier`, `workdir`, `name`, `device`; of a catalogue that has to be
            made also `images`, `scan`, `split` and `seed`.
        watcher: shows progress.

    Returns:
        The path of the page, `reports/<name>/index.html`, with comparison.json beside it.

    Raises:
        BadInput: images that cannot be compared on, or arms that lack theirs.
    """
    manifest = _manifest_of(config, watcher("scan"))
    rows = manifest.usable("train")
    made = rows[rows["source"] == "synthetic"]
    size = resolution_of(config, _smallest(rows), _smallest(made) if len(made) else None)
    config = _with_possible_arms(config, manifest)
    folder = paths.report_folder(config)
    bench = Bench(
        manifest, config.classifier, size, pick_device(config.device_here),
        paths.classifiers_folder(config), bands_of(config, manifest),
    )  # fmt: skip
    trained = {training: bench.folder(training) for training in trainings_of(bench.config)}
    for training, home in trained.items():
        paths.note_use(config, f"classifier {training}", home)
        with sharing(config, home, watcher(str(training))) as listener:
            train(bench, training, listener)
    kind = "drawn" if config.drawn else "real"
    with adding(config, trained.values(), bench.root / LEDGER):
        record = compare_bench(bench, folder, kind, watcher("test"))
    record["give_away"] = give_aways(manifest, size, bench.bands, bench.chroma)
    write_json(folder / "comparison.json", record)
    changed = changes_section(bench, read_predictions(folder / "predictions.csv"), record)
    page = write_page(
        folder / "index.html",
        title=f"Classifier comparison: {config.run_name}",
        subtitle=config.data.name,
        sections=[comparison_section(record, HIGHEST_GIVE_AWAY), *([changed] if changed else [])],
        facts={
            "Data": config.data.name,
            "Device": describe_device(bench.device),
            "Version": f"terrabalance {__version__}",
        },
    )
    publish_files(config, (path for path in folder.iterdir() if path.is_file()))
    return page


def _manifest_of(config: RunConfig, on_progress: Progress) -> Manifest:
    if config.data.suffix == ".parquet" or (config.data / "manifest.parquet").is_file():
        return _with_hashes(read_manifest(config.data))
    folder = stages.make_catalogue(config, on_progress, synthetic=True)
    return with_originals(config, folder, read_manifest(folder))


def _with_hashes(manifest: Manifest) -> Manifest:
    """Fill what tells images apart, which a manifest from elsewhere may lack."""
    frame = manifest.frame.copy()
    lacking = frame.index[(frame["sha256"] == "") & (frame["status"] == "ok")]
    paths = manifest.paths(frame.loc[lacking])
    frame.loc[lacking, "sha256"] = [sha256_of(path) for path in paths]
    return Manifest(manifest.root, frame)


def _smallest(rows: pd.DataFrame) -> Size:
    """The smallest image's height and width: no image has to be enlarged."""
    sizes = sorted(zip(rows["height_px"], rows["width_px"], strict=True), key=min)
    if not sizes or min(sizes[0]) < 1:
        raise BadInput("the manifest names no training images with their sizes. Scan the data.")
    height, width = map(int, sizes[0])
    return height if height == width else (height, width)


def _with_possible_arms(config: RunConfig, manifest: Manifest) -> RunConfig:
    """Leave out of the usual arms what the manifest has no images for; what is named must be."""
    made = (manifest.usable("train")["source"] == "synthetic").any()
    lacking = [arm for arm in config.classifier.arms if ARMS[arm].generative and not made]
    if lacking and config.classifier.arms != DEFAULT_ARMS:
        raise BadInput(
            f"{config.data}: has no synthetic images, which {lacking} need. Leave these arms out "
            "with --arms, or give a balanced dataset, or a CSV with a column `source`."
        )
    arms = tuple(arm for arm in config.classifier.arms if arm not in lacking)
    for arm in {ARMS[arm].images: arm for arm in arms}.values():
        train_rows(manifest, arm)  # refuses an arm that lacks its images, before there is a folder
    classifier = config.classifier.model_copy(update={"arms": arms})
    stem = f"{slug(config.data.name.split('.')[0])}-compare-{config.result_key[:6]}"
    name = config.name or slug(stem)
    return config.model_copy(update={"classifier": classifier, "name": name})
