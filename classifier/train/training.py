"""Train one trial and predict val. Test is predicted by `test_outputs` alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch

from classifier.arms.arm import BASELINE, Arm
from classifier.arms.registry import arm_of
from classifier.images.leakage import check_leakage
from classifier.images.loading import train_classes
from classifier.network.model import WEIGHTS
from classifier.train.examples import Examples
from classifier.train.experiment import Experiment, Trial, trials_of
from classifier.train.loop import CHECKPOINT_EVERY_S, CHECKPOINTS, Trainer, remove_checkpoints
from classifier.train.outputs import Outputs, read_outputs, write_outputs
from classifier.train.precision import CARD, in_words, precision_of
from classifier.train.setup import setup_for
from terrabalance.checkpoint import load_result, note_of_newest, write_tensors
from terrabalance.device import describe_device
from terrabalance.errors import NotReady
from terrabalance.files import atomic_write, fingerprint, write_json
from terrabalance.finished import done, mark_done
from terrabalance.progress import Progress, silent
from terrabalance.seeds import seed_for, seed_torch


def train(
    experiment: Experiment,
    trial: Trial,
    on_progress: Progress = silent,
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
) -> Path:
    """Train a trial and predict val; run again to resume, or to skip what is done.

    The number of optimizer steps, the learning-rate schedule, the initial weights and the
    augmentation draws depend on config and seed alone, so trials differ in what their arms change
    only. Nothing is selected on val here, and test is not opened. On the CPU a killed and resumed
    trial gives the same bytes.

    Args:
        experiment: images, settings and device.
        trial: arm, seed and setting.
        on_progress: called after each decoded image and each step.
        checkpoint_every_s: seconds between checkpoints, which are removed at the end; as of
            `classifier.train.loop.pause_s`.

    Returns:
        The folder with classifier.safetensors, losses.csv, card.json, val.parquet (see
        `classifier.train.outputs`) and done.json.

    Raises:
        BadInput: images that fail `check_leakage`, no image of a kind that the arm adds, or a model
            that cannot be built.
        TrainingDiverged: the loss is not finite, or the weights are not at the end.
    """
    folder, inputs = experiment.folder(trial), experiment.inputs(trial)
    counts = experiment.counts(trial)
    if not is_trained(experiment, trial):
        check_leakage(experiment.manifest)
        _train(experiment, trial, folder, inputs, on_progress, checkpoint_every_s)
    remove_checkpoints(folder)  # also where it was killed after its end
    _outputs(experiment, trial, "val", list(counts), on_progress)
    return folder


def is_trained(experiment: Experiment, trial: Trial) -> bool:
    """Return whether a trial is trained to the end."""
    return (done(experiment.folder(trial)) or {}).get("inputs") == experiment.inputs(trial)


def train_baseline(
    experiment: Experiment,
    folder: Path,
    on_progress: Progress = silent,
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
) -> Path:
    """Train on the real images of split train alone, to use the features; return `folder`.

    val and test are not opened. Run again to resume, or to skip what is done. Arguments as of
    `train`.

    Raises:
        BadInput: no real training image, or a model that cannot be built.
        TrainingDiverged: the loss is not finite, or the weights are not at the end.
    """
    experiment, trial, inputs = _baseline_of(experiment)
    if (done(folder) or {}).get("inputs") != inputs:
        _train(experiment, trial, folder, inputs, on_progress, checkpoint_every_s)
    remove_checkpoints(folder)
    return folder


def is_baseline_trained(experiment: Experiment, folder: Path) -> bool:
    """Return whether `train_baseline` has nothing to do in a folder."""
    return (done(folder) or {}).get("inputs") == _baseline_of(experiment)[2]


def _baseline_of(experiment: Experiment) -> tuple[Experiment, Trial, str]:
    """Return experiment and trial of the baseline, and a hash of all that decides it."""
    whole = experiment.config.model_copy(update={"frozen": False})  # its features are wanted
    experiment, trial = replace(experiment, config=whole), Trial(BASELINE, whole.seeds[0])
    return experiment, trial, fingerprint("baseline", experiment.inputs(trial))


def val_outputs(experiment: Experiment, trial: Trial) -> Outputs:
    """Return the outputs of a finished trial on val.

    Raises:
        NotReady: the trial has not ended.
    """
    _require(experiment, trial)
    return _outputs(experiment, trial, "val", list(experiment.counts(trial)), silent)


@dataclass(frozen=True)
class Sealed:
    """A comparison whose trials have all ended, made by `seal` only. It allows to open test."""

    experiment: Experiment


def seal(experiment: Experiment) -> Sealed:
    """Make sure that nothing is left to train, and allow test to be opened.

    Test results that are seen earlier could influence the trials that are still to come.

    Raises:
        NotReady: a trial of the comparison has not ended.
        BadInput: images that fail `check_leakage`.
    """
    for trial in trials_of(experiment.config):
        _require(experiment, trial)
    check_leakage(experiment.manifest)
    return Sealed(experiment)


def test_outputs(sealed: Sealed, trial: Trial) -> Outputs:
    """Return the outputs of a finished trial on test. Test is predicted nowhere else.

    They are kept as test.parquet, and not computed again for the same images.

    Raises:
        NotReady: the trial has not ended.
    """
    experiment = sealed.experiment
    _require(experiment, trial)
    return _outputs(experiment, trial, "test", list(experiment.counts(trial)), silent)


def _require(experiment: Experiment, trial: Trial) -> None:
    if not is_trained(experiment, trial):
        raise NotReady(f"the classifier ({trial}) has not been trained. Train it first.")


def _outputs(
    experiment: Experiment, trial: Trial, split: str, classes: list[str], on_progress: Progress
) -> Outputs:
    folder = experiment.folder(trial)
    path = folder / f"{split}.parquet"
    inputs = fingerprint(experiment.inputs(trial), experiment.evaluation_inputs(split))
    found = read_outputs(path, classes, inputs)
    rows = experiment.manifest.usable(split)
    if rows.empty:
        return Outputs(classes, [], np.empty(0, int), np.empty((0, len(classes)), np.float32))
    if found is None:
        # Also where another machine predicts what one has trained.
        same = experiment.going_on_in(precision_of(folder))
        trainer, examples = _prepare(same, trial, rows, classes, None, on_progress)
        load_result(trainer.model, folder / WEIGHTS)
        logits = trainer.predict(examples).numpy()
        found = Outputs(classes, examples.paths, examples.labels.numpy(), logits)
        write_outputs(path, found, inputs)
    return found


def _prepare(
    experiment: Experiment,
    trial: Trial,
    rows: pd.DataFrame,
    classes: list[str],
    trained_by: Arm | None,
    on_progress: Progress,
) -> tuple[Trainer, Examples]:
    """Return a trainer with the untrained network, by the seed of the trial, and the examples."""
    seed = seed_for("classifier", "weights", trial.seed)
    with _own_randomness(experiment.device):
        seed_torch(seed)
        setup = setup_for(experiment, len(classes))
        examples = setup.examples(rows, classes, on_progress, trained_by)
        seed_torch(seed)  # whether features were there already must not matter
        model = setup.model(examples)
    counts = list(experiment.counts(trial).values())
    trainer = Trainer(
        model, experiment.config, trial.seed, experiment.device, counts, arm_of(trial.arm),
        trial.setting,
    )  # fmt: skip
    return trainer, examples


@contextmanager
def _own_randomness(device: torch.device) -> Iterator[None]:
    """Restore torch's generators after a block that seeds them."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def _train(
    experiment: Experiment,
    trial: Trial,
    folder: Path,
    inputs: str,
    on_progress: Progress,
    checkpoint_every_s: float,
) -> None:
    rows = experiment.train_rows(trial)
    classes = train_classes(experiment.manifest)
    arm = arm_of(trial.arm)
    # The loop goes on as it began by itself; the features of a frozen network are computed before.
    same = experiment.going_on_in(note_of_newest(folder / CHECKPOINTS, "precision"))
    trainer, examples = _prepare(same, trial, rows, classes, arm, on_progress)
    with _own_randomness(experiment.device):
        trainer.train(examples, folder, inputs, str(trial), on_progress, checkpoint_every_s)
    losses = pd.DataFrame(trainer.losses, columns=["step", "loss", "learning_rate"])
    with atomic_write(folder / "losses.csv") as file:
        losses.to_csv(file, index=False)
    write_json(folder / CARD, _card(experiment, trial, trainer, classes))
    write_tensors(folder / WEIGHTS, trainer.model.state_dict())
    files = [folder / name for name in (WEIGHTS, CARD, "losses.csv")]
    mark_done(folder, {"inputs": inputs, "steps": experiment.config.steps}, files)


def _card(
    experiment: Experiment, trial: Trial, trainer: Trainer, classes: list[str]
) -> dict[str, Any]:
    config = experiment.config
    return {
        "arm": trial.arm, "seed": trial.seed, "setting": asdict(trial.setting),
        "classes": classes,
        "n_train": dict(zip(classes, trainer.counts, strict=True)),
        "resolution": experiment.resolution, "bands": asdict(experiment.bands),
        "chroma_jitter": experiment.chroma,
        "config": config.model_dump(mode="json"),
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "images_seen": config.steps * config.batch_size,
        "final_loss": trainer.losses[-1][1], "device": describe_device(experiment.device),
        "precision": in_words(trainer.precision),
        "versions": {"torch": torch.__version__, "timm": timm.__version__},
    }  # fmt: skip
