"""Selection on val: the setting of every arm, out of equally many for each."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from classifier.arms.registry import arm_of
from classifier.arms.setting import USUAL, Setting
from classifier.arms.tuning import settings_of
from classifier.train.experiment import Experiment, Trial, trial_of, weights_key
from classifier.train.outputs import Outputs
from classifier.train.training import seal, test_outputs, val_outputs
from terrabalance.progress import Progress, silent


@dataclass
class Choices:
    """The settings that were chosen on val.

    Attributes:
        settings: by arm.
        tried: one row a try: arm, setting, balanced accuracy on val (mean over seeds), chosen.
            Empty where one setting is tried only, or where val has no images.
    """

    settings: dict[str, Setting] = field(default_factory=dict)
    tried: list[dict[str, Any]] = field(default_factory=list)

    @property
    def shares(self) -> dict[str, float]:
        """The share of the synthetic images that each arm uses; 0 is none."""
        return {arm: setting.share for arm, setting in self.settings.items()}

    def trial(self, name: str, seed: int) -> Trial:
        """Return the trial whose logits an arm reads with its chosen setting."""
        return trial_of(name, seed, self.settings[name])


def choose(experiment: Experiment) -> Choices:
    """Choose by balanced accuracy on val, the mean over seeds; test is not opened.

    Of equally good settings the first is taken; without val images that is the usual one.

    Raises:
        NotReady: a trial has not ended.
    """
    choices = Choices()
    for name in experiment.config.arms:
        config = experiment.config
        settings = settings_of(name, config.tries, frozen=config.frozen)
        scores = [_score(experiment, name, setting) for setting in settings]
        best = int(np.argmax(scores))
        choices.settings[name] = settings[best]
        if len(settings) > 1 and not experiment.manifest.usable("val").empty:
            choices.tried += [
                {"arm": name, "setting": asdict(setting), "says": str(setting) or "as usual",
                 "usual": setting == USUAL, "val": score, "chosen": place == best}
                for place, (setting, score) in enumerate(zip(settings, scores, strict=True))
            ]  # fmt: skip
    return choices


def _score(experiment: Experiment, name: str, setting: Setting) -> float:
    """Balanced accuracy on val, mean over seeds; 0 without images."""
    trials = [trial_of(name, seed, setting) for seed in experiment.config.seeds]
    outputs = [_corrected(experiment, name, setting, each, val_outputs(experiment, each))
               for each in trials]  # fmt: skip
    return _balanced_accuracy(outputs) if len(outputs[0].truth) else 0.0


def _corrected(
    experiment: Experiment, name: str, setting: Setting, trial: Trial, outputs: Outputs
) -> Outputs:
    """Apply the corrections of an arm to the logits of the trial that it reads."""
    arm = arm_of(name)
    if arm.corrects is None:
        return outputs
    shares = list(experiment.shares(trial).values())
    return replace(outputs, logits=arm.corrected(outputs.logits, shares, setting))


def _balanced_accuracy(outputs: Sequence[Outputs]) -> float:
    hits = [each.logits.argmax(axis=1) == each.truth for each in outputs]
    recalls = [pd.Series(hit).groupby(each.truth).mean().mean()
               for hit, each in zip(hits, outputs, strict=True)]  # fmt: skip
    return float(np.mean(recalls))


def predictions_of(
    experiment: Experiment, choices: Choices, split: str, on_progress: Progress = silent
) -> pd.DataFrame:
    """Return the predictions of every arm and seed on val or test.

    Returns:
        Columns arm, seed, split, path, class, predicted, confidence.

    Raises:
        NotReady: a trial has not ended.
    """
    sealed = seal(experiment) if split == "test" else None
    frames = []
    for name in experiment.config.arms:
        for seed in experiment.config.seeds:
            trial = choices.trial(name, seed)
            outputs = test_outputs(sealed, trial) if sealed else val_outputs(experiment, trial)
            outputs = _corrected(experiment, name, choices.settings[name], trial, outputs)
            frames.append(outputs.predictions().assign(arm=name, seed=seed, split=split))
            on_progress(
                len(frames), len(experiment.config.arms) * len(experiment.config.seeds), split
            )
    columns = ["arm", "seed", "split", "path", "class", "predicted", "confidence"]
    return pd.concat(frames, ignore_index=True)[columns]


def counts_of(experiment: Experiment, choices: Choices) -> dict[str, dict[str, int]]:
    """Return the number of training images by arm and class."""
    return {name: experiment.counts(choices.trial(name, 0)) for name in experiment.config.arms}


def trained_for(experiment: Experiment, choices: Choices) -> dict[str, Any]:
    """Return which trainings the arms read, for what takes one of them elsewhere.

    Returns:
        `weights`: of a local file that networks started from, as of
        `classifier.train.experiment.weights_key`; `arms`: of each the `folders` of its trials, seed
        after seed, its `setting`, and the `shares` of the classes in the loss, in label order.
    """
    seeds, arms = experiment.config.seeds, {}
    for name in experiment.config.arms:
        trials = [choices.trial(name, seed) for seed in seeds]
        arms[name] = {
            "folders": [experiment.folder(trial).name for trial in trials],
            "setting": asdict(choices.settings[name]),
            "shares": list(experiment.shares(trials[0]).values()),
        }
    return {"weights": weights_key(experiment.config), "arms": arms}
