"""The report page of a run, written from what its stages left."""

import logging
from pathlib import Path
from typing import Any

import torch

from augment.measure.giveaway import HIGHEST_GIVE_AWAY
from augment.report.balance import balance_section, balance_table
from augment.report.balance_record import BalanceInputs, balance_record
from augment.report.fidelity import fidelity_section
from classifier.compare.predictions import read_predictions
from classifier.report.changes import changes_section
from classifier.report.comparison import comparison_section
from flows.settings.config import RunConfig
from flows.stages import stages
from flows.stages.fidelity import measure_fidelity
from flows.store import paths
from flows.store.bands import bands_of
from flows.store.sync import fetch_file, publish_files
from terrabalance import __version__
from terrabalance.bands import Bands
from terrabalance.device import describe_device, pick_device
from terrabalance.files import atomic_write, read_json, write_json
from terrabalance.page import write_page
from terrabalance.sizes import describe_size

_log = logging.getLogger(__name__)


def write_report(config: RunConfig) -> Path:
    """Write the report from what the stages left; return the path of `index.html`.

    The comparison is shown when it is there, and of these images; the balance part needs the
    synthetic images.
    """
    manifest = stages.load_catalogue(config)
    folder = paths.report_folder(config)
    synthetic = stages.synthetic_folders(config, manifest)
    generators = {name: stages.generator_of(config, manifest, name) for name in synthetic}
    size, bands = config.generator.image_size, bands_of(config, manifest)
    plan = read_json(stages.make_plan(config))
    inputs = BalanceInputs(manifest, generators, synthetic, size, bands)
    balance = balance_record(inputs, plan)
    write_json(folder / "balance.json", balance)
    with atomic_write(folder / "classes.csv") as file:
        balance_table(balance).to_csv(file, index=False)
    sections = [balance_section(balance, inputs)]
    fidelity = measure_fidelity(config, manifest, synthetic)
    write_json(folder / "fidelity.json", fidelity)
    sections.insert(0, fidelity_section(fidelity))
    if comparison := _comparison(config):
        predictions = read_predictions(folder / "predictions.csv")
        changed = changes_section(stages.load_bench(config), predictions, comparison)
        sections[:0] = [
            comparison_section(comparison, HIGHEST_GIVE_AWAY),
            *([changed] if changed else []),
        ]
    page = write_page(
        folder / "index.html",
        title=f"Balance report: {config.run_name}",
        subtitle=str(config.data.name),
        sections=sections,
        facts=_facts(config, folder, bands),
        notice=stages.DRAWN_NOTICE if config.drawn else None,
    )
    publish_files(config, (path for path in folder.iterdir() if path.is_file()))
    return page


def _comparison(config: RunConfig) -> dict[str, Any] | None:
    path = paths.report_folder(config) / "comparison.json"
    fetch_file(config, path.with_name("predictions.csv"))
    fetch_file(config, path)
    record: dict[str, Any] | None = read_json(path) if path.exists() else None
    if record and record.get("dataset") != stages.key_of_dataset(config):
        _log.warning("%s is of other images and not shown: classify again", path)
        return None
    return record


def _bands_fact(bands: Bands) -> dict[str, str]:
    if bands.is_rgb:
        return {}
    shown = ", ".join(str(place + 1) for place in bands.shown)
    about = f"{bands.count} of {bands.dtype}; bands {shown} are shown as red, green and blue"
    return {"Bands": about}


def _facts(config: RunConfig, folder: Path, bands: Bands) -> dict[str, str]:
    timings = read_json(folder / "timings.json") if (folder / "timings.json").exists() else {}
    spent = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in timings.items())
    return {
        "Data": config.data.name,
        "Preset": config.preset,
        "Resolution": f"{describe_size(config.generator.image_size)}, real and synthetic alike",
        **_bands_fact(bands),
        "Seed": str(config.seed),
        "Device": describe_device(pick_device(config.device_here)),
        "Versions": f"terrabalance {__version__}, torch {torch.__version__}",
        "Time": spent or "not measured",
    }
