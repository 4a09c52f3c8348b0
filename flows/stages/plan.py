"""Plan what each class gets, and estimate what it will cost."""

import logging
from pathlib import Path
from typing import Any

from augment.config import TrainingConfig
from augment.network.learned import learned_by
from augment.plan import plan_record
from augment.screen.statuses import is_screened
from classifier.feature_network import TRAINED_HERE
from flows.settings.config import RunConfig
from flows.stages.run import Run
from flows.store.names import FORMAT
from flows.store.result import Files, make_once
from flows.store.uses import begin, is_begun, note_use
from terrabalance.files import fingerprint, read_record, write_json
from terrabalance.finished import done
from terrabalance.progress import Progress, silent

_log = logging.getLogger(__name__)
# Of the cost, so that nobody takes the figure for the length of the run.
NOT_COUNTED = (
    "Not counted: reading the images, the network that judges what is drawn (where none is at "
    "hand, a classifier is trained for it first), images drawn anew for refused ones, and the "
    "classifiers that are compared at the end."
)
_FIELDS = {"key": str, "target": dict, "left_out": str, "classes": list, "cost": dict}


def make_plan(run: Run, on_progress: Progress = silent) -> Path:
    """Plan every class and measure what it will cost, once; return the path of `plan.json`.

    Raises:
        BadInput: an unknown class, a class too small, a name that is taken, or a classifier that
            cannot be built.
    """
    is_begun(run.config)  # refuses a name that is taken, before any work
    plans = run.class_plans  # refuses unknown classes, before there is a folder
    run.list_unlabelled(on_progress)
    key = fingerprint(FORMAT, run.counts, run.config.result_key)
    path = run.report_folder / "plan.json"

    def is_made() -> bool:
        return path.is_file() and read_plan(path)["key"] == key

    def make(devices: list[Any], _listener: Progress) -> None:
        from augment.train.cost import estimate_cost

        _warn_of_baseline(run.config)
        _warn_of_unknown(run)
        config, n_images = run.config, sum(plan.n_needed for plan in plans)
        loops = trainings_of(run)
        cost = estimate_cost(
            loops, n_images, config.generator, config.sampling, devices[0], run.bands
        )
        write_json(path, {"key": key, **plan_record(plans, config.plan, cost)})

    if not is_made():
        check_classifier(run.config, from_hub=False, n_bands=run.bands.count)
    begin(run.config)
    for part, place in run.names.uses(run.filled):
        note_use(run.config, part, place)
    plan = Files(what="the plan", place=path, is_made=is_made, n_devices=1)
    return make_once(run.config, plan, make, on_progress)


def read_plan(path: Path) -> dict[str, Any]:
    """Return what `make_plan` wrote.

    Raises:
        BadInput: the file is damaged or none of ours.
    """
    return read_record(path, _FIELDS)


def _warn_of_baseline(config: RunConfig) -> None:
    """Warn where a named base spares no class its training."""
    if config.base_from and config.training.evaluations and config.fidelity.model == TRAINED_HERE:
        _log.warning(
            "base_from: every class is trained again when any image changes, as fidelity.model="
            "%s is trained on all images. Name a pretrained network to train only classes whose "
            "own images changed.",
            TRAINED_HERE,
        )


def _warn_of_unknown(run: Run) -> None:
    """Warn where a named base may have learned what the verdict is on."""
    base = run.names.base
    if run.config.base_from and base is not None and learned_by(base) is None:
        _log.warning(
            "base_from: %s does not say which images it has learned, as an older version made it. "
            "If the split or the data changed since, some may be in val or test by now, and a "
            "verdict on them would not hold. To be sure, move its folder away and leave base_from "
            "out once: a base is trained that says it.",
            base.name,
        )


def trainings_of(run: Run) -> list[TrainingConfig]:
    """Return the loop of every generator that the filled classes need, with its own steps."""
    config, base, filled = run.config, run.names.base, run.filled
    own = [p.n_train for p in filled if run.names.generator(p.class_name) != base]
    loops = [config.training.for_images(n) for n in own]
    trains_base = filled and base is not None and config.base_from is None
    return [config.base, *loops] if trains_base else loops


def made_of(run: Run) -> tuple[int, int]:
    """Return how many filled classes have their generator, and their images, on this machine."""
    generators = [run.names.generator(plan.class_name) for plan in run.filled]
    images = [run.names.synthetic(plan) for plan in run.filled]
    return sum(done(g) is not None for g in generators), sum(map(is_screened, images))


def check_classifier(config: RunConfig, from_hub: bool = True, n_bands: int = 3) -> None:
    """Try the networks on one batch: what fails should not come up after hours of training.

    Args:
        config: of the run.
        from_hub: whether weights of the hub are fetched.
        n_bands: of the images, as far as they are known.

    Raises:
        BadInput: an unknown model, a file that does not fit, a model that fails at its image size,
            or, with `from_hub`, a hub that cannot be reached.
    """
    from classifier.train.one_batch import try_classifier, try_feature_network

    wanted = config.classifier
    if not from_hub:
        wanted = wanted.model_copy(update={"pretrained": False})
    try_classifier(wanted, n_bands)
    try_feature_network(config.fidelity)
