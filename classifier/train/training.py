"""Train one arm with one seed, and ask it about val; test is opened by `test_outputs` alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
from safetensors.torch import load_file

from classifier.arms import ARMS, BASELINE, Arm
from classifier.images.data import check_judges, train_classes, train_rows
from classifier.network.model import WEIGHTS
from classifier.train.examples import Examples
from classifier.train.experiment import Bench, Training, trainings_of
from classifier.train.loop import CHECKPOINT_EVERY_S, Trainer, remove_checkpoints
from classifier.train.outputs import Outputs, read_outputs, write_outputs
from classifier.train.setup import setup_for
from terrabalance.checkpoint import load_into, write_tensors
from terrabalance.device import describe_device, supports_bf16
from terrabalance.errors import NotReady
from terrabalance.files import atomic_write, done, fingerprint, mark_done, write_json
from terrabalance.progress import Progress, silent
from terrabalance.seeds import seed_for


def train(
    bench: Bench,
    training: Training,
    on_progress: Progress = silent,
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
) -> Path:
    """Train an arm and predict val; run again to resume or to skip.

    The number of optimizer steps, the schedule, the initial weights and the augmentation draws
    depend on config and seed alone, so the arms differ in their training images and treatment
    only. Nothing is selected on val here, and test is not opened. On the CPU a killed and resumed
    run gives the same bytes.

    Args:
        bench: images, settings and device.
        training: arm, seed and setting.
        on_progress: told of images decoded and of steps.
        checkpoint_every_s: seconds between checkpoints, which are removed at the end.

    Returns:
        The folder with classifier.safetensors, losses.csv, card.json, val.parquet (see
        `classifier.train.outputs`) and done.json.

    Raises:
        BadInput: images that must not be compared on (see `check_judges`), an arm whose images
            are not there, or a model that cannot be built.
        TrainingDiverged: the loss is not finite.
    """
    folder, inputs = bench.folder(training), bench.inputs(training)
    counts = bench.counts(training)
    if not is_trained(bench, training):
        check_judges(bench.manifest)
        _train(bench, training, folder, inputs, on_progress, checkpoint_every_s)
    _outputs(bench, training, "val", list(counts), on_progress)
    return folder


def is_trained(bench: Bench, training: Training) -> bool:
    """Say whether a training has ended."""
    return (done(bench.folder(training)) or {}).get("inputs") == bench.inputs(training)


def train_baseline(bench: Bench, folder: Path, on_progress: Progress = silent) -> Path:
    """Train on the real images of split train alone, for its features; return `folder`.

    val and test are not opened. Run again to resume or to skip.

    Raises:
        BadInput: no real training image, or a model that cannot be built.
        TrainingDiverged: the loss is not finite.
    """
    whole = bench.config.model_copy(update={"frozen": False})  # its features are what is wanted
    bench, training = replace(bench, config=whole), Training(BASELINE, whole.seeds[0])
    inputs = fingerprint("baseline", bench.inputs(training))
    if (done(folder) or {}).get("inputs") != inputs:
        _train(bench, training, folder, inputs, on_progress, CHECKPOINT_EVERY_S)
    return folder


def val_outputs(bench: Bench, training: Training) -> Outputs:
    """Return what a finished training says of val.

    Raises:
        NotReady: it has not ended.
    """
    _require(bench, training)
    return _outputs(bench, training, "val", list(bench.counts(training)), silent)


@dataclass(frozen=True)
class Sealed:
    """A comparison whose trainings have all ended, which only `seal` says. It opens test."""

    bench: Bench


def seal(bench: Bench) -> Sealed:
    """Make sure that nothing is left to train, and let test be opened.

    Whoever has seen test results could still change trainings that are to come.

    Raises:
        NotReady: a training of the comparison has not ended.
        BadInput: images that must not be compared on, see `check_judges`.
    """
    for training in trainings_of(bench.config):
        _require(bench, training)
    check_judges(bench.manifest)
    return Sealed(bench)


def test_outputs(sealed: Sealed, training: Training) -> Outputs:
    """Return what a finished training says of test: the only place where test is predicted.

    Kept as test.parquet, and not computed again for the same images.

    Raises:
        NotReady: it is none of the comparison's trainings, and has not ended.
    """
    bench = sealed.bench
    _require(bench, training)
    return _outputs(bench, training, "test", list(bench.counts(training)), silent)


def _require(bench: Bench, training: Training) -> None:
    if not is_trained(bench, training):
        raise NotReady(f"the classifier ({training}) has not been trained. Train it first.")


def _outputs(
    bench: Bench, training: Training, split: str, classes: list[str], on_progress: Progress
) -> Outputs:
    folder = bench.folder(training)
    path = folder / f"{split}.parquet"
    inputs = fingerprint(bench.inputs(training), bench.judge_inputs(split))
    found = read_outputs(path, classes, inputs)
    rows = bench.manifest.usable(split)
    if rows.empty:
        return Outputs(classes, [], np.empty(0, int), np.empty((0, len(classes)), np.float32))
    if found is None:
        trainer, examples = _prepare(bench, training, rows, classes, None, on_progress)
        load_into(trainer.model, load_file(folder / WEIGHTS), str(folder / WEIGHTS))
        logits = trainer.predict(examples).numpy()
        found = Outputs(classes, examples.paths, examples.labels.numpy(), logits)
        write_outputs(path, found, inputs)
    return found


def _prepare(
    bench: Bench,
    training: Training,
    rows: pd.DataFrame,
    classes: list[str],
    trained_by: Arm | None,
    on_progress: Progress,
) -> tuple[Trainer, Examples]:
    """Return the network at its start, by the training's seed, and the examples of `rows`."""
    seed = seed_for("classifier", "weights", training.seed)
    with _own_randomness(bench.device):
        torch.manual_seed(seed)
        setup = setup_for(bench, len(classes))
        examples = setup.examples(rows, classes, on_progress, trained_by)
        torch.manual_seed(seed)  # whether features were there already must not matter
        model = setup.model(examples)
    counts, treatment = list(bench.counts(training).values()), ARMS[training.arm].treatment
    trainer = Trainer(
        model, bench.config, training.seed, bench.device, counts, treatment, training.setting
    )
    return trainer, examples


@contextmanager
def _own_randomness(device: torch.device) -> Iterator[None]:
    """Let a block seed torch freely, and leave the caller's generators as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def _train(
    bench: Bench,
    training: Training,
    folder: Path,
    inputs: str,
    on_progress: Progress,
    checkpoint_every_s: float,
) -> None:
    rows = train_rows(bench.manifest, training.arm, training.setting.share)
    classes = train_classes(bench.manifest)
    trainer, examples = _prepare(bench, training, rows, classes, ARMS[training.arm], on_progress)
    with _own_randomness(bench.device):
        trainer.train(examples, folder, inputs, str(training), on_progress, checkpoint_every_s)
    losses = pd.DataFrame(trainer.losses, columns=["step", "loss", "learning_rate"])
    with atomic_write(folder / "losses.csv") as file:
        losses.to_csv(file, index=False)
    write_json(folder / "card.json", _card(bench, training, trainer, classes))
    write_tensors(folder / WEIGHTS, trainer.model.state_dict())
    mark_done(folder, {"inputs": inputs, "steps": bench.config.steps})
    remove_checkpoints(folder)


def _card(bench: Bench, training: Training, trainer: Trainer, classes: list[str]) -> dict[str, Any]:
    config = bench.config
    return {
        "arm": training.arm, "seed": training.seed, "setting": asdict(training.setting),
        "classes": classes,
        "n_train": dict(zip(classes, trainer.counts, strict=True)),
        "resolution": bench.resolution, "bands": asdict(bench.bands), "chroma_jitter": bench.chroma,
        "config": config.model_dump(mode="json"),
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "images_seen": config.steps * config.batch_size,
        "final_loss": trainer.losses[-1][1], "device": describe_device(bench.device),
        "precision": "bf16 autocast" if supports_bf16(bench.device) else "float32",
        "versions": {"torch": torch.__version__, "timm": timm.__version__},
    }  # fmt: skip
