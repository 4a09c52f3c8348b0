"""What the trainings of a comparison share, and what each of them is."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
import torch

from classifier.arms import ARMS, BASELINE
from classifier.config import CHOICES, ClassifierConfig
from classifier.images.data import train_counts, train_rows
from classifier.tuning import USUAL, Setting, settings_of
from terrabalance.bands import RGB, Bands
from terrabalance.device import precision_on
from terrabalance.files import content_of, fingerprint
from terrabalance.manifest import Manifest
from terrabalance.sizes import Size

# Raise when a training's files would come out different for the same images and settings.
_FORMAT = 6


@dataclass(frozen=True)
class Training:
    """One training: an arm that is trained by itself, a seed, and how."""

    arm: str
    seed: int
    setting: Setting = USUAL

    def __str__(self) -> str:
        return ", ".join(filter(None, [self.arm, str(self.setting), f"seed {self.seed}"]))


def training_of(arm: str, seed: int, setting: Setting) -> Training:
    """Return the training that an arm with a setting rests on, which may be another arm's."""
    if setting.share == 0:
        return Training(ARMS[arm].without, seed)
    if (corrected := ARMS[arm].corrects) is not None:
        return Training(corrected, seed, replace(setting, strength=1.0))
    return Training(arm, seed, setting)


def trainings_of(config: ClassifierConfig) -> list[Training]:
    """Return all trainings of a comparison, each once, seed after seed."""
    return list(
        dict.fromkeys(
            training_of(arm, seed, setting)
            for seed in config.seeds
            for arm in config.arms
            for setting in settings_of(arm, config.tries)
        )
    )


@dataclass(frozen=True)
class Bench:
    """Images, settings and device, the same for every arm.

    Attributes:
        manifest: real and synthetic rows; synthetic ones in split train only.
        config: of the classifier.
        resolution: size that every image is reduced to first, see
            `classifier.images.data.load_images`.
        device: to train on.
        root: folder that gets one folder a training, and `features/`.
        bands: how the images are read.
    """

    manifest: Manifest
    config: ClassifierConfig
    resolution: Size
    device: torch.device
    root: Path
    bands: Bands = RGB

    @property
    def chroma(self) -> float:
        """Strength of `chroma.jittered` in every arm; 0 without synthetic images."""
        made = self.manifest.once(
            "any synthetic", lambda: (self.manifest.usable("train")["source"] == "synthetic").any()
        )
        return self.config.chroma_jitter if made else 0.0

    def counts(self, training: Training) -> dict[str, int]:
        """Count the images that a training sees, by class; the classes in label order."""
        arm, share = training.arm, training.setting.share
        return self.manifest.once(
            ("counts", ARMS[arm].images, share), lambda: train_counts(self.manifest, arm, share)
        )

    def shares(self, training: Training) -> dict[str, float]:
        """Return each class's share of what a training's loss counts, in label order.

        A synthetic image counts as much as it weighs there.
        """
        counts, worth = self.counts(training), 1.0
        if ARMS[training.arm].treatment == "weighted":
            worth = training.setting.weight
        real = self.counts(Training(BASELINE, training.seed))
        weights = {name: real[name] + worth * (n - real[name]) for name, n in counts.items()}
        return {name: weight / sum(weights.values()) for name, weight in weights.items()}

    def folder(self, training: Training) -> Path:
        """Return where a training's files live, or will."""
        key = self.inputs(training)[:12]
        return self.root / f"{training.arm}-seed{training.seed}-{key}"

    def inputs(self, training: Training) -> str:
        """Hash all that decides a training's result: images, settings, the weights' bytes.

        Further arms, seeds or tries do not make the finished ones stale.
        """
        how = [training.arm, asdict(training.setting), training.seed]
        return fingerprint(*how, self._settings(), self._images_of(training))

    def _images_of(self, training: Training) -> str:
        """Hash the training rows once for all seeds and tries that share them."""
        arm, share = training.arm, training.setting.share
        return self.manifest.once(
            ("trained on", ARMS[arm].images, share),
            lambda: _hash_of(train_rows(self.manifest, arm, share)),
        )

    @property
    def comparison_key(self) -> str:
        """Hash all that decides a comparison: its settings, trainings and judges."""
        inputs = [self.inputs(training) for training in trainings_of(self.config)]
        settings = self.config.key({"weights"})
        return fingerprint(settings, inputs, *map(self.judge_inputs, ("val", "test")))

    def judge_inputs(self, split: str) -> str:
        """Hash the images of val or test, which a training's outputs on them follow."""
        return self.manifest.once(("judges", split), lambda: _hash_of(self.manifest.usable(split)))

    def test_key(self) -> str:
        """Hash the test images by what they show, wherever and under which name they lie."""
        rows = self.manifest.usable("test")
        return fingerprint(
            sorted(rows["class"] + " " + rows["sha256"].where(rows["sha256"] != "", rows["path"]))
        )

    def network_key(self) -> str:
        """Hash what decides the features of pixels."""
        config = self.config
        precision = precision_on(self.device, "auto")
        return fingerprint(
            config.model, config.pretrained, config.image_size, _content(config), precision
        )

    def _settings(self) -> list[object]:
        settings = self.config.key(CHOICES)
        return [
            _FORMAT, settings, _content(self.config), self.resolution, asdict(self.bands),
            self.chroma,
        ]  # fmt: skip


def _content(config: ClassifierConfig) -> str:
    return "" if config.weights is None else content_of(config.weights)


def _hash_of(rows: pd.DataFrame) -> str:
    columns = ["path", "class", "source", "sha256", "generator", "seed"]
    listing = [[str(value) for value in rows[column]] for column in columns]
    return fingerprint(listing, length=32)
