"""Train one arm with one seed: the same budget, the same randomness, only the images differ."""

import logging
import math
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from classifier.config import ClassifierConfig
from classifier.data import (
    Arm,
    LabelledImages,
    arm_rows,
    inputs_fingerprint,
    load_part,
    to_input,
    train_classes,
    train_counts,
)
from classifier.model import build_model, normalisation
from classifier.schedule import augment, batch_indices, learning_rate_at
from terrabalance.bands import RGB, Bands
from terrabalance.checkpoint import load_into, load_newest, save_checkpoint, write_tensors
from terrabalance.device import describe_device, supports_bf16
from terrabalance.errors import TrainingDiverged
from terrabalance.files import atomic_write, done, mark_done, write_json
from terrabalance.images import Size
from terrabalance.manifest import Manifest
from terrabalance.progress import Progress, silent
from terrabalance.seeds import generator_for, seed_for

WEIGHTS = "classifier.safetensors"
_BASELINE = "baseline"
_CHECKPOINT_EVERY_S = 60.0
_log = logging.getLogger(__name__)


@dataclass
class _Trainer:
    """What a step needs; `losses` holds (step, loss, learning rate)."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    config: ClassifierConfig
    seed: int
    device: torch.device
    mean: list[float]
    std: list[float]
    losses: list[tuple[int, float, float]] = field(default_factory=list)

    def logits(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        bf16 = supports_bf16(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            out: Tensor = self.model(images)
        return out.float()


def train_arm(
    manifest: Manifest,
    arm: Arm,
    seed: int,
    config: ClassifierConfig,
    resolution: Size,
    folder: Path,
    device: torch.device,
    on_progress: Progress = silent,
    checkpoint_every_s: float = _CHECKPOINT_EVERY_S,
    bands: Bands = RGB,
) -> Path:
    """Train `arm` with `seed` and predict val and test; run again to resume or to skip.

    The number of optimizer steps, the schedule, the initial weights and the augmentation draws
    depend on config and seed alone, so the arms differ in their training images only. Nothing
    is tuned or selected on val. On the CPU a killed and resumed run gives the same bytes.

    Args:
        manifest: real and synthetic rows; synthetic ones in split train only.
        arm: `real` leaves the synthetic training images out, `synthetic` takes all.
        seed: of initial weights, order, augmentation and dropout.
        config: of the classifier.
        resolution: size that every image is reduced to first, see `load_part`.
        folder: of this arm and seed. Gets predictions.csv (split, path, class, predicted,
            confidence in [0, 1]), classifier.safetensors, losses.csv, card.json and done.json.
        device: to train on.
        on_progress: told of images decoded and of steps.
        checkpoint_every_s: seconds between checkpoints, which are removed at the end.
        bands: how the images are read.

    Returns:
        `predictions.csv`.

    Raises:
        BadInput: an unknown arm, a synthetic row in val or test, a class without real training
            images, an empty test split, or a model that cannot be built.
        TrainingDiverged: the loss is not finite.
    """
    rows = arm_rows(manifest, arm)
    inputs = inputs_fingerprint(rows, arm, seed, config, resolution, bands)
    record = done(folder)
    if record and record.get("inputs") == inputs and (folder / "predictions.csv").is_file():
        return folder / "predictions.csv"
    classes = train_classes(manifest)
    # Seeds torch freely inside, and leaves the caller's generators as they were.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        trainer = _start(config, len(classes), seed, device, bands.count)
        parts = {
            split: load_part(rows, split, classes, resolution, on_progress, bands)
            for split in ("train", "val", "test")
        }
        started = time.monotonic()
        _train(trainer, parts.pop("train"), folder, inputs, f"{arm}, seed {seed}", on_progress,
               checkpoint_every_s)  # fmt: skip
        seconds = time.monotonic() - started
        predictions = pd.concat(_predict(trainer, *part, classes) for part in parts.items())
    card = {
        "arm": arm, "seed": seed, "classes": classes, "n_train": train_counts(manifest, arm),
        "resolution": resolution, "bands": asdict(bands), "seconds": round(seconds, 1),
        **_card(trainer),
    }  # fmt: skip
    with atomic_write(folder / "predictions.csv") as file:
        predictions.to_csv(file, index=False, float_format="%.6f")
    _finish(folder, trainer, card, inputs)
    return folder / "predictions.csv"


def train_baseline(
    manifest: Manifest,
    config: ClassifierConfig,
    resolution: Size,
    folder: Path,
    device: torch.device,
    on_progress: Progress = silent,
    bands: Bands = RGB,
) -> Path:
    """Train on the real images of split train alone, for its features; return `folder`.

    val and test are not opened. Run again to resume or to skip; arguments as of `train_arm`.

    Raises:
        BadInput: a class without real training images, or a model that cannot be built.
        TrainingDiverged: the loss is not finite.
    """
    frame = manifest.usable("train")
    rows = Manifest(manifest.root, frame[frame["source"] == "real"])
    seed = config.seeds[0]
    inputs = inputs_fingerprint(rows, _BASELINE, seed, config, resolution, bands)
    if (done(folder) or {}).get("inputs") == inputs:
        return folder
    classes = train_classes(rows)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        trainer = _start(config, len(classes), seed, device, bands.count)
        images = load_part(rows, "train", classes, resolution, on_progress, bands)
        _train(trainer, images, folder, inputs, _BASELINE, on_progress, _CHECKPOINT_EVERY_S)
    card = {
        "arm": _BASELINE, "seed": seed, "classes": classes, "resolution": resolution,
        "bands": asdict(bands),
    }  # fmt: skip
    _finish(folder, trainer, {**card, **_card(trainer)}, inputs)
    return folder


def _start(
    config: ClassifierConfig, n_classes: int, seed: int, device: torch.device, n_bands: int
) -> _Trainer:
    torch.manual_seed(seed_for("classifier", "weights", seed))
    model = build_model(config, n_classes, n_bands)
    mean, std = normalisation(model, n_bands)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": config.weight_decay},
         {"params": plain, "weight_decay": 0.0}],
        lr=config.learning_rate,
    )  # fmt: skip
    return _Trainer(model, optimizer, config, seed, device, mean, std)


def _train(
    trainer: _Trainer, images: LabelledImages, folder: Path, inputs: str, name: str,
    on_progress: Progress, checkpoint_every_s: float,
) -> None:  # fmt: skip
    total = trainer.config.steps
    saved = time.monotonic()
    for step in range(_resume(trainer, folder, inputs), total):
        loss, rate = _step(trainer, images, step)
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"classifier ({name}): the loss is {loss} at step {step + 1} of {total}. "
                "Lower classifier.learning_rate and run again."
            )
        trainer.losses.append((step + 1, loss, rate))
        if step + 1 < total and time.monotonic() - saved >= checkpoint_every_s:
            _save(trainer, folder, inputs, step + 1)
            saved = time.monotonic()
        on_progress(step + 1, total, f"{name}, loss {loss:.3f}")


def _save(trainer: _Trainer, folder: Path, inputs: str, step: int) -> None:
    parts = {
        "inputs": inputs, "losses": trainer.losses, "model": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
    }  # fmt: skip
    save_checkpoint(folder / "checkpoints", step, parts)


def _resume(trainer: _Trainer, folder: Path, inputs: str) -> int:
    """Load the newest checkpoint of the same inputs; return the number of steps done."""
    parts = load_newest(folder / "checkpoints")
    if parts is None:
        return 0
    if parts["inputs"] != inputs:
        _log.warning("%s: checkpoints of other settings or images, starting over", folder)
        _remove_checkpoints(folder)
        return 0
    load_into(trainer.model, parts["model"], str(folder / "checkpoints"))
    trainer.optimizer.load_state_dict(parts["optimizer"])
    trainer.losses = [tuple(row) for row in parts["losses"]]
    return int(parts["step"])


def _step(trainer: _Trainer, images: LabelledImages, step: int) -> tuple[float, float]:
    config, device = trainer.config, trainer.device
    rate = learning_rate_at(step, config)
    for group in trainer.optimizer.param_groups:
        group["lr"] = rate
    torch.manual_seed(seed_for("classifier", "dropout", trainer.seed, step))
    chosen = batch_indices(step, len(images.labels), config.batch_size, trainer.seed)
    batch = to_input(images.pixels[chosen].to(device), config.image_size, trainer.mean, trainer.std)
    draws = generator_for("classifier", "augment", trainer.seed, step)
    trainer.model.train()
    logits = trainer.logits(augment(batch, draws, config.symmetries))
    labels = images.labels[chosen].to(device)
    loss = functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
    trainer.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    trainer.optimizer.step()
    return loss.item(), rate


def _predict(
    trainer: _Trainer, split: str, images: LabelledImages, classes: list[str]
) -> pd.DataFrame:
    config, trainer_input = trainer.config, (trainer.config.image_size, trainer.mean, trainer.std)
    trainer.model.eval()
    confidences, labels = [torch.empty(0)], [torch.empty(0, dtype=torch.int64)]
    with torch.inference_mode():
        for pixels in torch.split(images.pixels, 4 * config.batch_size):
            logits = trainer.logits(to_input(pixels.to(trainer.device), *trainer_input))
            best = logits.softmax(dim=1).max(dim=1)
            confidences.append(best.values.cpu())
            labels.append(best.indices.cpu())
    return pd.DataFrame({
        "split": split, "path": images.paths,
        "class": [classes[label] for label in images.labels.tolist()],
        "predicted": [classes[label] for label in torch.cat(labels).tolist()],
        "confidence": torch.cat(confidences).tolist(),
    })  # fmt: skip


def _card(trainer: _Trainer) -> dict[str, Any]:
    n_parameters = sum(p.numel() for p in trainer.model.parameters())
    return {
        "config": trainer.config.model_dump(mode="json"), "parameters": n_parameters,
        "images_seen": trainer.config.steps * trainer.config.batch_size,
        "final_loss": trainer.losses[-1][1], "device": describe_device(trainer.device),
        "precision": "bf16 autocast" if supports_bf16(trainer.device) else "float32",
        "versions": {"torch": torch.__version__, "timm": timm.__version__},
    }  # fmt: skip


def _finish(folder: Path, trainer: _Trainer, card: dict[str, Any], inputs: str) -> None:
    losses = pd.DataFrame(trainer.losses, columns=["step", "loss", "learning_rate"])
    with atomic_write(folder / "losses.csv") as file:
        losses.to_csv(file, index=False)
    write_json(folder / "card.json", card)
    write_tensors(folder / WEIGHTS, trainer.model.state_dict())
    mark_done(folder, {"inputs": inputs, "steps": trainer.config.steps})
    _remove_checkpoints(folder)


def _remove_checkpoints(folder: Path) -> None:
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
