"""Compare classifiers: on a run's dataset, or on any manifest without a run around it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from augment.catalogue.sources import tell_alike
from augment.measure.giveaway import HIGHEST_GIVE_AWAY
from classifier.arms.registry import ARMS, DEFAULT_ARMS
from classifier.compare.predictions import read_predictions
from classifier.report.changes import changes_section
from classifier.report.comparison import comparison_section
from classifier.study.ledger import LEDGER
from classifier.study.study import run_study
from classifier.train.experiment import Experiment, trials_of
from classifier.train.one_batch import try_classifier
from classifier.train.training import is_trained
from flows.settings.config import RunConfig
from flows.stages.catalogue import make_catalogue, read_catalogue
from flows.stages.classifiers import experiment_of, experiment_on, resolution_of, train_missing
from flows.stages.comparable import manifest_of
from flows.stages.compared_images import note_images
from flows.stages.dataset import Parts
from flows.stages.fidelity import give_aways
from flows.stages.left_out import left_out_synthetic, tell_left_out, without_refused
from flows.stages.progress import Watcher, unwatched
from flows.stages.run import Run
from flows.stages.stated import refuse_untrue
from flows.store import paths
from flows.store.bands import bands_of
from flows.store.held_out import refuse_drawn_from_held_out, refuse_held_out, why_in_doubt
from flows.store.originals import with_originals
from flows.store.pinned_base import pinned_base
from flows.store.result import Files, make_anew
from flows.store.uses import begin
from terrabalance import __version__
from terrabalance.device import describe_device
from terrabalance.errors import BadInput, UnreadableImage
from terrabalance.files import sha256_of, slug, write_json
from terrabalance.manifest import Manifest, read_manifest
from terrabalance.page import write_page
from terrabalance.progress import Progress
from terrabalance.rasters.beside import record_beside
from terrabalance.rasters.formats import READ_BY_GDAL, format_in
from terrabalance.rasters.raster import may_need_gdal
from terrabalance.sizes import Size
from terrabalance.wording import listed


def compare_arms(run: Run, watcher: Watcher = unwatched) -> Path:
    """Train what is missing of a run's classifiers, and compare the arms on test.

    Returns:
        The path of `comparison.json`, with `predictions.csv` beside it.

    Raises:
        NotReady: the balanced dataset is not there, or is of other images.
    """
    key = Parts(run).key
    experiment = experiment_of(run, key)
    train_missing(run.config, experiment, lambda trial: watcher(f"classify {trial}"))
    comparison = _comparison(run.config, experiment, "comparison.json")

    def make(devices: list[torch.device], listener: Progress) -> None:
        record = _compared(run.config, experiment.on(devices[0]), listener)
        images = note_images(run.config, paths.dataset_folder(run.config) / "manifest.parquet")
        record |= {"dataset": key, "report": run.config.run_name, **images}
        write_json(comparison.place, record)

    return make_anew(run.config, comparison, make, watcher("test"))


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
    table, listed_there = _listed(config, watcher("scan"))
    manifest = without_refused(config, listed_there)
    tell_left_out(manifest, config.data)
    rows = manifest.usable("train")
    made = rows[rows["source"] == "synthetic"]
    smallest = _smallest_side(made) if len(made) else None
    resolution = resolution_of(config, _usual_size(rows), smallest)
    config = _with_possible_arms(config, manifest)
    base = pinned_base(config) if config.base_from else None
    if base is not None:
        refuse_held_out(base, manifest)
    experiment = experiment_on(config, manifest, resolution, bands_of(config, manifest, base))
    if not all(is_trained(experiment, trial) for trial in trials_of(experiment.config)):
        offline = config.classifier.model_copy(update={"pretrained": False})
        try_classifier(offline, experiment.bands.count)
    begin(config)
    train_missing(config, experiment, lambda trial: watcher(str(trial)))
    page = _comparison(config, experiment, "index.html", "comparison.json")

    def make(devices: list[torch.device], listener: Progress) -> None:
        noted = note_images(config, table)
        _write_page(config, experiment.on(devices[0]), page.place, noted, listener)

    return make_anew(config, page, make, watcher("test"))


def _comparison(config: RunConfig, experiment: Experiment, place: str, *beside: str) -> Files:
    trained = [experiment.folder(trial) for trial in trials_of(experiment.config)]
    return Files(
        what="the comparison",
        place=paths.report_folder(config) / place,
        beside=("predictions.csv", *beside),
        n_devices=1,
        adds_to=tuple(trained),
        ledger=experiment.root / LEDGER,
    )


def _compared(config: RunConfig, experiment: Experiment, on_progress: Progress) -> dict[str, Any]:
    kind = "drawn" if config.drawn else "real"
    return run_study(experiment, paths.report_folder(config), kind, on_progress)


def _write_page(
    config: RunConfig,
    experiment: Experiment,
    page: Path,
    noted: dict[str, Any],
    on_progress: Progress,
) -> None:
    record = _compared(config, experiment, on_progress) | noted
    manifest, bands, size = experiment.manifest, experiment.bands, experiment.resolution
    record["give_away"] = give_aways(manifest, size, bands, experiment.chroma)
    record["report"] = config.run_name
    record["left_out"] = left_out_synthetic(manifest)
    write_json(page.with_name("comparison.json"), record)
    predictions = read_predictions(page.with_name("predictions.csv"))
    changed = changes_section(experiment, predictions, record)
    write_page(
        page,
        title=f"Classifier comparison: {config.run_name}",
        subtitle=config.data.name,
        sections=[comparison_section(record, HIGHEST_GIVE_AWAY), *([changed] if changed else [])],
        facts={
            "Data": config.data.name,
            "Device": describe_device(experiment.device),
            "Version": f"terrabalance {__version__}",
        },
        notice=why_in_doubt(config, manifest),
    )


def _listed(config: RunConfig, on_progress: Progress) -> tuple[Path, Manifest]:
    """Return the table that lists the images, and the manifest."""
    if table := manifest_of(config.data):
        manifest = read_manifest(table)
        tell_alike(config.data, manifest.classes())
        refuse_untrue(table, manifest)
        manifest = _with_hashes(manifest)
        refuse_drawn_from_held_out(config, manifest)
        return table, manifest
    folder = make_catalogue(config, on_progress, synthetic=True)
    manifest = with_originals(config, folder, read_catalogue(config, folder))
    return folder / "manifest.parquet", manifest


def _with_hashes(manifest: Manifest) -> Manifest:
    """Fill what tells images apart, which a manifest from elsewhere or an older one may lack."""
    frame = manifest.frame.copy()
    is_used = frame["status"] == "ok"
    lacking = frame.index[(frame["sha256"] == "") & is_used]
    frame.loc[lacking, "sha256"] = [sha256_of(path) for path in manifest.paths(frame.loc[lacking])]
    # Looking into each picture, which has no such files, would take as long as listing it.
    named_so = frame["path"].str.lower().str.endswith(READ_BY_GDAL)
    may_have = named_so | frame["mode"].map(may_need_gdal).astype(bool)
    unknown = frame.index[(frame["beside"] == "") & may_have & is_used]
    frame.loc[unknown, "beside"] = [
        _record_beside(path) for path in manifest.paths(frame.loc[unknown])
    ]
    return Manifest(manifest.root, frame)


def _record_beside(path: Path) -> str:
    try:
        return record_beside(path, format_in(path))
    except UnreadableImage:  # told where its pixels are read
        return ""


def _usual_size(rows: pd.DataFrame) -> Size:
    """Return the largest size of the images' median shape for which none has to be enlarged.

    The shape is that of most, as all images are cut to it: one strip would make slivers of them.
    """
    if rows.empty or _smallest_side(rows) < 1:
        raise BadInput("the manifest names no training images with their sizes. Scan the data.")
    shape = float(np.exp(np.median(np.log(rows["height_px"] / rows["width_px"]))))
    lowest, narrowest = float(rows["height_px"].min()), float(rows["width_px"].min())
    height = max(1, round(min(lowest, narrowest * shape)))
    width = max(1, round(min(narrowest, lowest / shape)))
    return height if height == width else (height, width)


def _smallest_side(rows: pd.DataFrame) -> int:
    return int(rows[["height_px", "width_px"]].to_numpy().min())


def _why_none_made(manifest: Manifest) -> str:
    """Say that no synthetic image can be used, and of those that are left out, why."""
    left = manifest.frame[manifest.frame["source"] == "synthetic"]
    if left.empty:
        return "has no synthetic images"
    first = left.iloc[0]
    reason = f"{first['path']}: {first['status']} {first['detail']}".strip()
    return f"all of its {len(left)} synthetic images are left out ({reason})"


def _with_possible_arms(config: RunConfig, manifest: Manifest) -> RunConfig:
    """Leave out of the usual arms what the manifest has no images for; what is named must be."""
    made = (manifest.usable("train")["source"] == "synthetic").any()
    lacking = [arm for arm in config.classifier.arms if ARMS[arm].generative and not made]
    if lacking and config.classifier.arms != DEFAULT_ARMS:
        raise BadInput(
            f"{config.data}: {_why_none_made(manifest)}, which {listed(lacking)} needs. Leave it "
            "out with --arms, or give a balanced dataset, or a CSV with a column `source`."
        )
    arms = tuple(arm for arm in config.classifier.arms if arm not in lacking)
    for arm in {ARMS[arm].images: ARMS[arm] for arm in arms}.values():
        arm.train_rows(manifest)  # refuses an arm that lacks its images, before there is a folder
    classifier = config.classifier.model_copy(update={"arms": arms})
    stem = f"{slug(config.data.name.split('.')[0])}-compare-{config.result_key[:6]}"
    name = config.name or slug(stem)
    return config.model_copy(update={"classifier": classifier, "name": name})
