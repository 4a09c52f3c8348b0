"""Statuses of one class's images after screening and after people's decisions."""

from pathlib import Path

import numpy as np
import pytest

from augment.screen.outcome import (
    REVIEWS,
    apply,
    is_screened,
    review,
    screening_record,
    what_is_missing,
)
from augment.screen.rules import LIMITED, REPEAT
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import mark_done, write_json
from terrabalance.manifest import Manifest, frame_of, read_manifest, write_manifest

LIMIT = dict.fromkeys(LIMITED, 1.0)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Six drawn images, judged by nobody yet."""
    rows: list[dict[str, object]] = [
        {"path": f"{i:06d}.png", "class": "Pond", "split": "train", "source": "synthetic",
         "status": "ok"} for i in range(6)
    ]  # fmt: skip
    write_manifest(Manifest(tmp_path, frame_of(rows)), tmp_path)
    mark_done(tmp_path, {"n_images": 6})
    return tmp_path


def found(**bad: int) -> dict[str, np.ndarray]:
    """Scores of six images; `rule=index` is above the limit."""
    scores = {rule: np.zeros(6) for rule in LIMITED} | {REPEAT: np.full(6, -1.0)}
    for rule, index in bad.items():
        scores[rule][index] = 2.0
    return scores


def statuses(folder: Path) -> list[str]:
    return list(read_manifest(folder).frame.sort_values("path")["status"])


def test_refused_images_keep_their_scores_and_reasons(folder):
    record = apply(folder, 3, 9, found(noise=1, off_class=1, repeat=2), LIMIT)
    assert statuses(folder) == ["ok", "refused", "refused", "ok", "ok", "spare"]
    frame = read_manifest(folder).frame
    assert frame["detail"][1] == "looks like another class; noise unlike the class"
    assert frame["score_noise"].tolist() == [0, 2, 0, 0, 0, 0]
    assert record["refused"] == {"off_class": 1, "noise": 1, "repeat": 1}
    assert (record["n_used"], record["n_accepted"], record["n_missing"]) == (3, 4, 0)
    assert record["ended"] and is_screened(folder)


def test_what_has_no_score_is_refused(folder):
    scores = found()
    scores["near_copy"][3] = np.nan
    apply(folder, 6, 6, scores, LIMIT)
    assert statuses(folder) == ["ok", "ok", "ok", "refused", "ok", "ok"]
    apply(folder, 6, 6, scores, {"copy": 1.0})  # a rule that has no limit refuses nothing
    assert statuses(folder) == ["ok"] * 6


def test_what_is_missing_is_told_and_drawing_goes_on_until_the_budget_ends(folder):
    assert not apply(folder, 6, 9, found(copy=0), LIMIT)["ended"] and not is_screened(folder)
    record = apply(folder, 6, 6, found(copy=0), LIMIT)
    assert record["ended"] and record["n_missing"] == 1


def test_what_is_missing_is_said_in_the_words_of_the_page(folder):
    apply(folder, 6, 6, found(off_class=0, edges=0), LIMIT)
    review(folder, "000001.png", "refuse", "Ada")
    record = screening_record(folder)
    assert record and what_is_missing("Pond", record) == (
        "Pond: 2 of 6 images are missing after drawing 6; refused: looks like another class (1), "
        "edges unlike the class (1), by eye (1); an image may count for several."
    )
    assert what_is_missing("Pond", apply(folder, 4, 6, found(), LIMIT)) == ""


def test_an_image_refused_by_eye_is_replaced_by_a_spare_one(folder):
    apply(folder, 3, 9, found(noise=1), LIMIT)
    review(folder, "000000.png", "refuse", "Ada")
    assert statuses(folder) == ["refused", "refused", "ok", "ok", "ok", "spare"]
    row = read_manifest(folder).frame.iloc[0]
    assert (row["review"], row["reviewer"], row["detail"]) == ("refuse", "Ada", "refused by Ada")
    assert row["reviewed"].endswith("+00:00")
    review(folder, "000000.png", None, "Ada")
    assert statuses(folder) == ["ok", "refused", "ok", "ok", "spare", "spare"]


def test_a_refused_image_is_accepted_by_eye_for_good(folder):
    apply(folder, 3, 9, found(noise=1), LIMIT)
    review(folder, "000001.png", "accept", "Ada")
    assert statuses(folder)[:3] == ["ok", "ok", "ok"]
    apply(folder, 4, 9, found(noise=1), LIMIT)  # drawn on and judged anew
    assert statuses(folder)[:4] == ["ok", "ok", "ok", "ok"]


def test_without_limits_only_people_refuse(folder):
    record = apply(folder, 5, 6, None, None)
    assert not record["judged"] and statuses(folder).count("ok") == 5
    review(folder, "000002.png", "refuse", "Ada")
    assert statuses(folder) == ["ok", "ok", "refused", "ok", "ok", "ok"]


def test_other_images_make_a_screening_void(folder):
    apply(folder, 3, 9, found(), LIMIT)
    mark_done(folder, {"n_images": 7})
    assert screening_record(folder) is None
    with pytest.raises(NotReady, match="terrabalance sample"):
        review(folder, "000000.png", "accept", "Ada")


def test_an_unknown_image_cannot_be_reviewed(folder):
    apply(folder, 3, 9, found(), LIMIT)
    with pytest.raises(BadInput, match=r"no synthetic image '\.\./x\.png'"):
        review(folder, "../x.png", "refuse", "Ada")


def test_a_decision_that_was_kept_but_not_applied_makes_a_screening_void(folder):
    apply(folder, 3, 9, found(), LIMIT)
    decided = {"000000.png": {"review": "refuse", "reviewer": "Ada", "reviewed": "now"}}
    write_json(folder / REVIEWS, decided)  # killed before the manifest followed
    assert screening_record(folder) is None and not is_screened(folder)
    apply(folder, 3, 9, found(), LIMIT)
    assert is_screened(folder) and statuses(folder)[0] == "refused"
