"""What the trainings of a comparison were computed in, as their cards say it."""

from collections import Counter
from pathlib import Path

from classifier.train.experiment import Experiment, trials_of
from terrabalance.files import read_record

CARD = "card.json"
_WORDS = {"bf16": "bf16 autocast", "fp32": "float32"}


def in_words(precision: str) -> str:
    """Return what a card says for `bf16` or `fp32`."""
    return _WORDS[precision]


def precision_of(folder: Path) -> str | None:
    """Return what the classifier in a folder was trained in, `bf16` or `fp32`; None: unknown.

    Raises:
        BadInput: its card is damaged.
    """
    return next((each for each, words in _WORDS.items() if words == _stated(folder)), None)


def precisions_of(experiment: Experiment) -> dict[str, int]:
    """Count the trainings of a comparison by what they were computed in, in the words of cards.

    Raises:
        BadInput: a card is damaged.
    """
    stated = (_stated(experiment.folder(trial)) for trial in trials_of(experiment.config))
    return dict(sorted(Counter(words for words in stated if words).items()))


def _stated(folder: Path) -> str:
    path = folder / CARD
    return str(read_record(path).get("precision", "")) if path.is_file() else ""
