"""An experiment (what all arms share), and its trials: an arm, a seed and a setting each."""

from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import pandas as pd
import torch

from classifier.arms.arm import BASELINE
from classifier.arms.registry import arm_of
from classifier.arms.setting import USUAL, Setting
from classifier.arms.tuning import settings_of
from classifier.config import CHOICES, ClassifierConfig
from classifier.images.loading import train_classes
from terrabalance.bands import RGB, Bands
from terrabalance.contents import contents
from terrabalance.device import precision_on
from terrabalance.files import content_of, fingerprint
from terrabalance.manifest import Manifest
from terrabalance.sizes import Size

T = TypeVar("T")
# Raise when the files of a trial would come out different for the same images and settings.
_FORMAT = 7
_HEAD_FORMAT = 1  # likewise, of heads on frozen features only


@dataclass(frozen=True)
class Trial:
    """One classifier to train.

    Attributes:
        arm: name of an arm that corrects no other.
        seed: of initial weights, order, augmentation and dropout.
        setting: of the arm.
    """

    arm: str
    seed: int
    setting: Setting = USUAL

    def __str__(self) -> str:
        return ", ".join(filter(None, [self.arm, str(self.setting), f"seed {self.seed}"]))


def trial_of(arm: str, seed: int, setting: Setting) -> Trial:
    """Return the trial whose logits an arm with a setting reads, which may be another arm's."""
    treatment = arm_of(arm)
    if setting.share == 0:
        return Trial(treatment.without, seed, Setting(penalty=setting.penalty))
    if treatment.corrects is not None:
        return Trial(treatment.corrects, seed, replace(setting, strength=1.0))
    return Trial(arm, seed, setting)


def trials_of(config: ClassifierConfig) -> list[Trial]:
    """Return all trials of a comparison, each once, seed after seed."""
    return list(
        dict.fromkeys(
            trial_of(arm, seed, setting)
            for seed in config.seeds
            for arm in config.arms
            for setting in settings_of(arm, config.tries, frozen=config.frozen)
        )
    )


@dataclass(frozen=True)
class Experiment:
    """Images, settings and device, the same for every arm.

    Attributes:
        manifest: real and synthetic rows; synthetic ones in split train only.
        config: of the classifier.
        resolution: size in pixels that every image is reduced to first, see
            `classifier.images.loading.load_images`.
        device: to train on.
        root: folder that gets one folder a trial, and `features/`.
        bands: how the images are read.
    """

    manifest: Manifest
    config: ClassifierConfig
    resolution: Size
    device: torch.device
    root: Path
    bands: Bands = RGB
    # What is asked of all rows, found once for all trials.
    _known: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def on(self, device: torch.device) -> "Experiment":
        """Return the same experiment on another device."""
        return self._but(device=device)

    def going_on_in(self, precision: object) -> "Experiment":
        """Return the same experiment for a training of it that began in a precision.

        Only to compute with: its trials have other names.

        Args:
            precision: `bf16` or `fp32`, which counts where the settings leave it open; all else is
                what damaged files say, or None, and counts nowhere.
        """
        if self.config.precision != "auto" or precision not in ("bf16", "fp32"):
            return self
        return self._but(config=self.config.model_copy(update={"precision": precision}))

    def _but(self, **changes: Any) -> "Experiment":
        """Return the same with changes that leave the rows as they are."""
        other = replace(self, **changes)
        object.__setattr__(other, "_known", self._known)
        return other

    def _once(self, key: Hashable, find: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = find()
        return cast(T, self._known[key])

    @property
    def chroma(self) -> float:
        """Strength of the colour jitter in every arm; 0 without synthetic images."""
        made = self._once(
            "any synthetic", lambda: (self.manifest.usable("train")["source"] == "synthetic").any()
        )
        return self.config.chroma_jitter if made else 0.0

    def counts(self, trial: Trial) -> dict[str, int]:
        """Count the training images of a trial by class; the classes in label order."""
        key = ("counts", arm_of(trial.arm).images, trial.setting.share)
        return self._once(key, lambda: self._count(trial))

    def _count(self, trial: Trial) -> dict[str, int]:
        counts = self.train_rows(trial).groupby("class").size()
        return {name: int(counts[name]) for name in train_classes(self.manifest)}

    def train_rows(self, trial: Trial) -> pd.DataFrame:
        """Return the manifest rows that a trial trains on; errors as of `Arm.train_rows`."""
        return arm_of(trial.arm).train_rows(self.manifest, trial.setting.share)

    def shares(self, trial: Trial) -> dict[str, float]:
        """Return each class's share of the training loss, in label order.

        A synthetic image counts its weight in the loss, a mixed one for both its classes.
        """
        counts, arm = self.counts(trial), arm_of(trial.arm)
        worth = arm.synthetic_weight(trial.setting)
        real = self.counts(Trial(BASELINE, trial.seed))
        weights = {name: real[name] + worth * (n - real[name]) for name, n in counts.items()}
        total = sum(weights.values())
        seen = arm.seen([weight / total for weight in weights.values()])
        return dict(zip(weights, seen, strict=True))

    def folder(self, trial: Trial) -> Path:
        """Return the folder of a trial's files, whether or not it exists."""
        key = self.inputs(trial)[:12]
        return self.root / f"{trial.arm}-seed{trial.seed}-{key}"

    def inputs(self, trial: Trial) -> str:
        """Hash all that decides a trial's result: images, settings, the bytes of the weights.

        Further arms, seeds or tries do not make finished trials stale.
        """
        how = [trial.arm, trial.setting.key(), trial.seed]
        return fingerprint(*how, self._settings(), self._images_of(trial))

    def _images_of(self, trial: Trial) -> str:
        """Hash the training rows, once for all seeds and tries that share them."""
        key = ("trained on", arm_of(trial.arm).images, trial.setting.share)
        return self._once(key, lambda: _hash_of(self.train_rows(trial)))

    @property
    def comparison_key(self) -> str:
        """Hash all that decides a comparison: its settings, trials, and val and test images."""
        inputs = [self.inputs(trial) for trial in trials_of(self.config)]
        settings = self.config.key({"weights"})
        return fingerprint(settings, inputs, *map(self.evaluation_inputs, ("val", "test")))

    def evaluation_inputs(self, split: str) -> str:
        """Hash the images of val or test, which decide the outputs of trials on them."""
        return self._once(("evaluated on", split), lambda: _hash_of(self.manifest.usable(split)))

    def test_key(self) -> str:
        """Hash the test images by their content, whatever their paths are."""
        rows = self.manifest.usable("test")
        return fingerprint(
            sorted(rows["class"] + " " + contents(rows).where(rows["sha256"] != "", rows["path"]))
        )

    def network_key(self) -> str:
        """Hash what decides the features of pixels by the pretrained network."""
        config = self.config
        precision = precision_on(self.device, config.precision)
        return fingerprint(
            config.model, config.pretrained, config.image_size, weights_key(config), precision
        )

    def _settings(self) -> list[object]:
        settings = self.config.key(CHOICES)
        return [
            _FORMAT, settings, weights_key(self.config), self.resolution, asdict(self.bands),
            self.chroma, *([_HEAD_FORMAT] if self.config.frozen else []),
        ]  # fmt: skip


def weights_key(config: ClassifierConfig) -> str:
    """Return what tells a local file of weights from others; nothing where there is none."""
    return "" if config.weights is None else content_of(config.weights)


def _hash_of(rows: pd.DataFrame) -> str:
    rows = rows.assign(sha256=contents(rows))
    columns = ["path", "class", "source", "sha256", "generator", "seed"]
    listing = [[str(value) for value in rows[column]] for column in columns]
    return fingerprint(listing, length=32)
