"""What the validation part decides: how much synthetic, how strong a correction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from classifier.arms import ARMS, BASELINE
from classifier.bench import Bench, Training
from classifier.outputs import Outputs
from classifier.training import seal, test_outputs, val_outputs
from terrabalance.progress import Progress, silent

# Strengths of the correction that are tried; it costs no training, and all arms try the same.
TAUS = (1.0, 0.75, 1.25, 0.5, 1.5, 0.25)


@dataclass
class Choices:
    """What val chose.

    Attributes:
        shares: arm -> share of the synthetic images; 0: none of them, the training of `real`.
        taus: correcting arm -> strength.
        tried: one row a try: arm, share, tau (None where it has no meaning), balanced accuracy on
            val (mean over seeds), chosen.
    """

    shares: dict[str, float] = field(default_factory=dict)
    taus: dict[str, float] = field(default_factory=dict)
    tried: list[dict[str, Any]] = field(default_factory=list)

    def training(self, name: str, seed: int) -> Training:
        """Return the training that an arm is judged by."""
        return _training(name, seed, self.shares[name])


def _training(name: str, seed: int, share: float) -> Training:
    return Training(ARMS[name].trained_as, seed, share) if share else Training(BASELINE, seed)


def choose(bench: Bench) -> Choices:
    """Choose by balanced accuracy on val, the mean over seeds; test is not opened.

    Where several shares are tried, none of the synthetic images is an answer too. Without val
    images nothing can be chosen: the largest share and strength 1 are taken then.

    Raises:
        NotReady: a training has not ended.
    """
    choices = Choices()
    for name in bench.config.arms:
        _choose(bench, name, choices)
    return choices


def _choose(bench: Bench, name: str, choices: Choices) -> None:
    tries = [(share, tau) for share in _shares(bench, name) for tau in _taus(name)]
    scores = {
        (share, tau): score
        for share in _shares(bench, name)
        for tau, score in _val_scores(bench, name, share).items()
        if score is not None
    }
    best = max(scores, key=scores.__getitem__) if scores else tries[0]
    choices.shares[name] = best[0]
    if best[1] is not None:
        choices.taus[name] = best[1]
    if len(scores) > 1:
        choices.tried += [
            {"arm": name, "share": share if ARMS[name].generative else None, "tau": tau,
             "val": scores[share, tau], "chosen": (share, tau) == best}
            for share, tau in sorted(scores, key=lambda each: (each[0], each[1] or 0))
        ]  # fmt: skip


def _shares(bench: Bench, name: str) -> list[float]:
    if not ARMS[name].generative:
        return [1.0]
    shares = sorted(bench.config.shares, reverse=True)
    return [*shares, 0.0] if len(shares) > 1 else shares


def _taus(name: str) -> Sequence[float | None]:
    return TAUS if ARMS[name].corrects is not None else (None,)


def _val_scores(bench: Bench, name: str, share: float) -> dict[float | None, float | None]:
    trainings = [_training(name, seed, share) for seed in bench.config.seeds]
    outputs = [val_outputs(bench, training) for training in trainings]
    counts = list(bench.counts(trainings[0]).values())
    return {
        tau: _val_score([each if tau is None else each.adjusted(counts, tau) for each in outputs])
        for tau in _taus(name)
    }


def _val_score(outputs: Sequence[Outputs]) -> float | None:
    """Balanced accuracy, mean over seeds; None without images."""
    if not len(outputs[0].truth):
        return None
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
            if name in choices.taus:
                counts = list(bench.counts(training).values())
                outputs = outputs.adjusted(counts, choices.taus[name])
            frames.append(outputs.predictions().assign(arm=name, seed=seed, split=split))
            on_progress(len(frames), len(bench.config.arms) * len(bench.config.seeds), split)
    columns = ["arm", "seed", "split", "path", "class", "predicted", "confidence"]
    return pd.concat(frames, ignore_index=True)[columns]


def counts_of(bench: Bench, choices: Choices) -> dict[str, dict[str, int]]:
    """Return the training images of every arm by class."""
    return {name: bench.counts(choices.training(name, 0)) for name in bench.config.arms}
