"""What the validation part decides: the setting of every arm, out of equally many for each."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from classifier.arms import ARMS
from classifier.train.experiment import Bench, Training, training_of
from classifier.train.outputs import Outputs
from classifier.train.training import seal, test_outputs, val_outputs
from classifier.tuning import USUAL, Setting, settings_of
from terrabalance.progress import Progress, silent


@dataclass
class Choices:
    """What val chose.

    Attributes:
        settings: by arm.
        tried: one row a try: arm, setting, balanced accuracy on val (mean over seeds), chosen.
            Empty where there was nothing to choose from, or nothing to choose by.
    """

    settings: dict[str, Setting] = field(default_factory=dict)
    tried: list[dict[str, Any]] = field(default_factory=list)

    @property
    def shares(self) -> dict[str, float]:
        """The share of the synthetic images that each arm uses; 0 is none."""
        return {arm: setting.share for arm, setting in self.settings.items()}

    def training(self, name: str, seed: int) -> Training:
        """Return the training that an arm is judged by."""
        return training_of(name, seed, self.settings[name])


def choose(bench: Bench) -> Choices:
    """Choose by balanced accuracy on val, the mean over seeds; test is not opened.

    Of equals the one that comes first is taken, and so without val images the usual one.

    Raises:
        NotReady: a training has not ended.
    """
    choices = Choices()
    for name in bench.config.arms:
        settings = settings_of(name, bench.config.tries)
        scores = [_score(bench, name, setting) for setting in settings]
        best = int(np.argmax(scores))
        choices.settings[name] = settings[best]
        if len(settings) > 1 and not bench.manifest.usable("val").empty:
            choices.tried += [
                {"arm": name, "setting": asdict(setting), "says": str(setting) or "as usual",
                 "usual": setting == USUAL, "val": score, "chosen": place == best}
                for place, (setting, score) in enumerate(zip(settings, scores, strict=True))
            ]  # fmt: skip
    return choices


def _score(bench: Bench, name: str, setting: Setting) -> float:
    """Balanced accuracy on val, mean over seeds; 0 without images."""
    trainings = [training_of(name, seed, setting) for seed in bench.config.seeds]
    outputs = [_corrected(bench, name, setting, each, val_outputs(bench, each))
               for each in trainings]  # fmt: skip
    return _balanced_accuracy(outputs) if len(outputs[0].truth) else 0.0


def _corrected(
    bench: Bench, name: str, setting: Setting, training: Training, outputs: Outputs
) -> Outputs:
    if ARMS[name].corrects is None:
        return outputs
    return outputs.adjusted(list(bench.shares(training).values()), setting.strength)


def _balanced_accuracy(outputs: Sequence[Outputs]) -> float:
    hits = [each.logits.argmax(axis=1) == each.truth for each in outputs]
    recalls = [pd.Series(hit).groupby(each.truth).mean().mean()
               for hit, each in zip(hits, outputs, strict=True)]  # fmt: skip
    return float(np.mean(recalls))


def predictions_of(
    bench: Bench, choices: Choices, split: str, on_progress: Progress = silent
) -> pd.DataFrame:
    """Return what every arm and seed predicts for val or test.

    Returns:
        Columns arm, seed, split, path, class, predicted, confidence.

    Raises:
        NotReady: a training has not ended.
    """
    sealed = seal(bench) if split == "test" else None
    frames = []
    for name in bench.config.arms:
        for seed in bench.config.seeds:
            training = choices.training(name, seed)
            outputs = test_outputs(sealed, training) if sealed else val_outputs(bench, training)
            outputs = _corrected(bench, name, choices.settings[name], training, outputs)
            frames.append(outputs.predictions().assign(arm=name, seed=seed, split=split))
            on_progress(len(frames), len(bench.config.arms) * len(bench.config.seeds), split)
    columns = ["arm", "seed", "split", "path", "class", "predicted", "confidence"]
    return pd.concat(frames, ignore_index=True)[columns]


def counts_of(bench: Bench, choices: Choices) -> dict[str, dict[str, int]]:
    """Return the training images of every arm by class."""
    return {name: bench.counts(choices.training(name, 0)) for name in bench.config.arms}
