import pandas as pd
import pytest

from classifier.compare.comparison import compare
from classifier.report.changes import changes, changes_section
from classifier.study.selection import choose, counts_of, predictions_of
from classifier.train.experiment import trials_of
from classifier.train.training import train

from ..conftest import experiment_for

ARMS = ("real", "synthetic")


def predicted(votes: dict[str, tuple[str, str]], truth: str = "A") -> pd.DataFrame:
    """Three seeds' predictions of image -> (before, after); each letter is a seed's."""
    rows = [
        {"arm": arm, "seed": seed, "split": "test", "path": path, "class": truth,
         "predicted": said[seed], "confidence": 0.5}
        for path, pair in votes.items()
        for arm, said in zip(ARMS, pair, strict=True)
        for seed in range(3)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_majority_of_the_seeds_decides_what_changed():
    rows = predicted({"kept": ("AAB", "AAA"), "gained": ("BBA", "AAB"), "lost": ("AAA", "BBA"),
                      "still wrong": ("BBB", "CCC"), "all differ": ("ABC", "AAA"),
                      "differ now": ("BBB", "ABC")})  # fmt: skip
    counts = dict.fromkeys("ABC", 9)
    found = changes(rows, compare(rows, dict.fromkeys(ARMS, counts), "32 px", {}))
    assert {kind: [c.path for c in each] for kind, each in found.items()} == {
        "gained": ["gained"], "lost": ["lost"],
    }  # fmt: skip
    assert (found["lost"][0].before, found["lost"][0].after) == ("A", "B")


@pytest.fixture
def experiment(squares, tmp_path):
    experiment = experiment_for(squares, tmp_path, arms=ARMS, seeds=(0,))
    for trial in trials_of(experiment.config):
        train(experiment, trial)
    return experiment


def test_changed_images_are_shown_beside_their_nearest_synthetic_ones(experiment):
    choices = choose(experiment)
    rows = predictions_of(experiment, choices, "test")
    rows = rows[rows["arm"].isin(ARMS)]
    first = rows["path"] == rows["path"].iloc[0]
    truth = rows.loc[first, "class"].iloc[0]
    other = next(name for name in experiment.manifest.classes() if name != truth)
    rows["predicted"] = rows["class"]
    rows.loc[first & (rows["arm"] == "real"), "predicted"] = other
    counts = counts_of(experiment, choices)
    record = compare(rows, {arm: counts[arm] for arm in ARMS}, "32 px", {})
    html = changes_section(experiment, rows, record).html
    assert "1 became right and 0 wrong" in html
    assert html.count("data:image/png") == 4  # itself and three synthetic ones
    assert "&lt;b&gt;Pond" in html and "<b>Pond" not in html


def test_without_synthetic_images_there_is_nothing_to_show(experiment):
    record = {"headline": {"arm": "class-weight"}}
    assert changes_section(experiment, pd.DataFrame(), record) is None
