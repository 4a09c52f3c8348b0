"""The report page of a run, written from what its stages left."""

import logging
from pathlib import Path
from typing import Any

import torch

from augment.measure.giveaway import HIGHEST_GIVE_AWAY
from augment.report.balance import balance_section, balance_table, not_compared_section
from augment.report.balance_record import BalanceInputs, balance_record
from augment.report.fidelity import fidelity_section
from classifier.compare.predictions import read_predictions
from classifier.report.changes import changes_section
from classifier.report.comparison import comparison_section
from classifier.train.experiment import Experiment
from flows.settings.config import RunConfig
from flows.stages.classifiers import experiment_with
from flows.stages.dataset import DRAWN_NOTICE, Parts
from flows.stages.features import feature_network
from flows.stages.fidelity import measure_fidelity
from flows.stages.former_results import FIDELITY, set_aside_comparison, set_aside_fidelity
from flows.stages.generators import generator_of
from flows.stages.plan import make_plan, read_plan
from flows.stages.run import Run
from flows.store.held_out import why_in_doubt
from flows.store.result import Files, find, make_anew
from flows.store.timings import read_timings
from terrabalance import __version__
from terrabalance.bands import Bands
from terrabalance.device import describe_device
from terrabalance.files import Fields, atomic_write, is_as_hashed, read_record, write_json
from terrabalance.page import Section, write_page
from terrabalance.progress import Progress, silent
from terrabalance.sizes import describe_size

_log = logging.getLogger(__name__)
# What the page goes by, of a comparison that may be of another version.
_OF_COMPARISON: Fields = {
    "predictions_sha256": str, "dataset": str, "verdict": dict, "headline": dict, "metrics": dict,
    "arms": list, "classes": list, "seeds": list, "per_class": list, "confusion": dict,
    "shares": dict, "training": dict,
}  # fmt: skip
_BESIDE = ("balance.json", "classes.csv", "timings.json")


def write_report(run: Run, on_progress: Progress = silent) -> Path:
    """Write the report from what the stages left; return the path of `index.html`.

    The comparison is shown when it is there, and of these images; the balance part needs the
    synthetic images. Where there are none, as the plan fills no class or all were refused, nothing
    is measured, and the page says why nothing is compared.
    """
    parts, why_not = Parts(run), run.why_not_compared  # refused without images, before a plan
    plan = read_plan(make_plan(run, on_progress))
    has_images = any(len(made.usable()) for made in parts.synthetic)
    load = feature_network(run, on_progress) if has_images else None
    if why_not:
        set_aside_comparison(run.config, on_progress)
    if not has_images:
        set_aside_fidelity(run.config, on_progress)
    comparison = None if why_not else _comparison(run, parts.key)
    experiment = experiment_with(run, parts.key) if comparison else None
    inputs = _balance_inputs(run, parts.folders)
    beside = (*_BESIDE, FIDELITY) if load else _BESIDE
    page = Files(
        what="the report", place=run.report_folder / "index.html", beside=beside, n_devices=1
    )

    def make(devices: list[torch.device], _listener: Progress) -> None:
        sections = [not_compared_section(why_not)] if why_not else []
        sections += _compared(comparison, experiment and experiment.on(devices[0]), page.place)
        if load:
            fidelity = measure_fidelity(run, parts.folders, load(devices[0]))
            write_json(page.place.with_name(FIDELITY), fidelity)
            sections.append(fidelity_section(fidelity))
        sections.append(_balance(inputs, plan, why_not, page.place.parent))
        write_page(
            page.place,
            title=f"Balance report: {run.config.run_name}",
            subtitle=str(run.config.data.name),
            sections=sections,
            facts=_facts(run.config, page.place.parent, run.bands, devices[0]),
            notice=_notice(run),
        )

    return make_anew(run.config, page, make, on_progress)


def _balance_inputs(run: Run, synthetic: dict[str, Path]) -> BalanceInputs:
    generators = {name: generator_of(run, name) for name in synthetic}
    for generator in generators.values():
        find(run.config, generator)  # it may be on another machine
    folders = {name: generator.place for name, generator in generators.items()}
    return BalanceInputs(
        run.catalogue, folders, synthetic, run.config.generator.image_size, run.bands
    )


def _balance(
    inputs: BalanceInputs, plan: dict[str, Any], why_not: str | None, folder: Path
) -> Section:
    """Write the balance as JSON and CSV; return its part of the page."""
    balance = balance_record(inputs, plan, why_not)
    write_json(folder / "balance.json", balance)
    with atomic_write(folder / "classes.csv") as file:
        balance_table(balance).to_csv(file, index=False)
    return balance_section(balance, inputs)


def _comparison(run: Run, key: str) -> dict[str, Any] | None:
    """Return the run's comparison; None where there is none of these images."""
    path = run.report_folder / "comparison.json"

    def is_of_these() -> bool:
        record = read_record(path, _OF_COMPARISON) if path.is_file() else {}
        sha256 = record.get("predictions_sha256", "")
        is_whole = is_as_hashed(path.with_name("predictions.csv"), sha256)
        return is_whole and record.get("dataset") == key

    comparison = Files(
        what="the comparison", place=path, beside=("predictions.csv",), is_made=is_of_these
    )
    if find(run.config, comparison):
        return read_record(path, _OF_COMPARISON)
    if path.is_file():
        _log.warning(
            "%s is damaged or of other images, and not shown. Run `terrabalance assemble`, "
            "`terrabalance classify` and `terrabalance report` with the same options.", path,
        )  # fmt: skip
    return None


def _compared(
    comparison: dict[str, Any] | None, experiment: Experiment | None, page: Path
) -> list[Section]:
    if comparison is None or experiment is None:
        return []
    predictions = read_predictions(page.with_name("predictions.csv"))
    changed = changes_section(experiment, predictions, comparison)
    return [comparison_section(comparison, HIGHEST_GIVE_AWAY), *([changed] if changed else [])]


def _bands_fact(bands: Bands) -> dict[str, str]:
    if bands.is_rgb:
        return {}
    shown = ", ".join(str(place + 1) for place in bands.shown)
    about = f"{bands.count} of {bands.dtype}; bands {shown} are shown as red, green and blue"
    return {"Bands": about}


def _notice(run: Run) -> str | None:
    """Return what a reader has to know first: what was drawn, by us or by who knows whom."""
    drawn = DRAWN_NOTICE if run.config.drawn else None
    found = [each for each in (drawn, why_in_doubt(run.config, run.catalogue)) if each]
    return " ".join(found) or None


def _facts(config: RunConfig, folder: Path, bands: Bands, device: torch.device) -> dict[str, str]:
    timings = read_timings(folder)
    spent = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in timings.items())
    return {
        "Data": config.data.name,
        "Preset": config.preset,
        "Resolution": f"{describe_size(config.generator.image_size)}, real and synthetic alike",
        **_bands_fact(bands),
        "Seed": str(config.seed),
        "Device": describe_device(device),
        "Versions": f"terrabalance {__version__}, torch {torch.__version__}",
        "Time": spent or "not measured",
    }
