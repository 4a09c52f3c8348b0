"""What the validation part decides: how much synthetic, how strong a correction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from classifier.arms import ARMS, BASELINE, trained_arms
from classifier.bench import Bench, Training
from classifier.config import ClassifierConfig
from classifier.outputs import Outputs
from classifier.training import test_outputs, val_outputs
from terrabalance.progress import Progress, silent

# Strengths of the correction that are tried; it costs no training, and all arms try the same.
TAUS = (1.0, 0.75, 1.25, 0.5, 1.5, 0.25)


@dataclass
class Choices:
    """What val chose.

    Attributes:
        shares: trained arm -> share of the synthetic images.
        taus: correcting arm -> strength.
        tried: one row a try: arm, what (`share` or `tau`), value, balanced accuracy on val (mean
            over seeds), chosen. A share of 0 is the baseline, without synthetic images.
    """

    shares: dict[str, float] = field(default_factory=dict)
    taus: dict[str, float] = field(default_factory=dict)
    tried: list[dict[str, Any]] = field(default_factory=list)

    def note(self, arm: str, what: str, scores: Mapping[float, float], chosen: float) -> None:
        """Keep what was tried."""
        self.tried += [
            {"arm": arm, "what": what, "value": value, "val": score, "chosen": value == chosen}
            for value, score in sorted(scores.items())
        ]


def trainings_of(config: ClassifierConfig) -> list[Training]:
    """Return all trainings of a comparison, seed after seed."""
    arms = trained_arms(config.arms)
    return [
        Training(arm.name, seed, share)
        for seed in config.seeds
        for arm in arms
        for share in (sorted(config.shares) if arm.generative else [1.0])
    ]


def choose(bench: Bench) -> Choices:
    """Choose by balanced accuracy on val, the mean over seeds; test is not opened.

    Without val images nothing can be chosen: the largest share and strength 1 are taken then.

    Raises:
        NotReady: a training has not ended.
    """
    choices, names = Choices(), bench.config.arms
    for arm in trained_arms(names):
        choices.shares[arm.name] = 1.0
        if arm.generative:
            _choose_share(bench, arm.name, choices)
    for name in names:
        if ARMS[name].corrects is not None:
            _choose_tau(bench, name, choices)
    return choices


def _choose_share(bench: Bench, arm: str, choices: Choices) -> None:
    shares = sorted(bench.config.shares, reverse=True)
    choices.shares[arm] = shares[0]
    scores = {share: _val_score(_val(bench, arm, share)) for share in shares}
    if len(shares) > 1 and (known := _known(scores)):
        choices.shares[arm] = best = max(known, key=known.__getitem__)
        none = _known({0.0: _val_score(_val(bench, BASELINE, 1.0))})
        choices.note(arm, "share", {**none, **known}, best)


def _choose_tau(bench: Bench, name: str, choices: Choices) -> None:
    arm = ARMS[name].trained_as
    share = choices.shares[arm]
    counts = list(bench.counts(Training(arm, 0, share)).values())
    outputs = _val(bench, arm, share)
    scores = {tau: _val_score([each.adjusted(counts, tau) for each in outputs]) for tau in TAUS}
    choices.taus[name] = TAUS[0]
    if known := _known(scores):
        choices.taus[name] = best = max(known, key=known.__getitem__)
        choices.note(name, "tau", known, best)


def _val(bench: Bench, arm: str, share: float) -> list[Outputs]:
    return [val_outputs(bench, Training(arm, seed, share)) for seed in bench.config.seeds]


def _val_score(outputs: Sequence[Outputs]) -> float | None:
    """Balanced accuracy, mean over seeds; None without images."""
    if not len(outputs[0].truth):
        return None
    hits = [each.logits.argmax(axis=1) == each.truth for each in outputs]
    recalls = [pd.Series(hit).groupby(each.truth).mean().mean()
               for hit, each in zip(hits, outputs, strict=True)]  # fmt: skip
    return float(np.mean(recalls))


def _known(scores: Mapping[float, float | None]) -> dict[float, float]:
    return {value: score for value, score in scores.items() if score is not None}


def predictions_of(
    bench: Bench, choices: Choices, split: str, on_progress: Progress = silent
) -> pd.DataFrame:
    """Return what every arm and seed predicts for val or test.

    Returns:
        Columns arm, seed, split, path, class, predicted, confidence.
    """
    read = val_outputs if split == "val" else test_outputs
    frames = []
    for name in bench.config.arms:
        arm = ARMS[name]
        share = choices.shares[arm.trained_as]
        for seed in bench.config.seeds:
            training = Training(arm.trained_as, seed, share)
            outputs = read(bench, training)
            if arm.corrects is not None:
                counts = list(bench.counts(training).values())
                outputs = outputs.adjusted(counts, choices.taus[name])
            frames.append(outputs.predictions().assign(arm=name, seed=seed, split=split))
            on_progress(len(frames), len(bench.config.arms) * len(bench.config.seeds), split)
    columns = ["arm", "seed", "split", "path", "class", "predicted", "confidence"]
    return pd.concat(frames, ignore_index=True)[columns]


def counts_of(bench: Bench, choices: Choices) -> dict[str, dict[str, int]]:
    """Return the training images of every arm by class."""
    return {
        name: bench.counts(
            Training(ARMS[name].trained_as, 0, choices.shares[ARMS[name].trained_as])
        )
        for name in bench.config.arms
    }
