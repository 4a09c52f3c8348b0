"""Statuses of one class's images after screening and after people's decisions."""

import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from augment.screen.reviews import REVIEWS, read_reviews
from augment.screen.rules import LIMITED, NAMES
from augment.screen.statuses import (
    has_few_limits,
    is_screened,
    review,
    screening_record,
    set_statuses,
    what_is_missing,
    why_none_accepted,
)
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import write_json
from terrabalance.finished import mark_done
from terrabalance.manifest import Manifest, frame_of, read_manifest, scores_in, write_manifest

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
    scores = {rule: np.zeros(6) for rule in LIMITED} | {"repeat": np.full(6, -1.0)}
    for rule, index in bad.items():
        scores[rule][index] = 2.0
    return scores


def statuses(folder: Path) -> list[str]:
    return list(read_manifest(folder).frame.sort_values("path")["status"])


def test_refused_images_keep_their_scores_and_reasons(folder):
    record = set_statuses(folder, 3, 9, found(noise=1, off_class=1, repeat=2), LIMIT)
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
    set_statuses(folder, 6, 6, scores, LIMIT)
    assert statuses(folder) == ["ok", "ok", "ok", "refused", "ok", "ok"]
    set_statuses(folder, 6, 6, scores, {"copy": 1.0})  # a rule that has no limit refuses nothing
    assert statuses(folder) == ["ok"] * 6


def test_what_is_missing_is_told_and_drawing_goes_on_until_the_budget_ends(folder):
    assert not set_statuses(folder, 6, 9, found(copy=0), LIMIT)["ended"] and not is_screened(folder)
    record = set_statuses(folder, 6, 6, found(copy=0), LIMIT)
    assert record["ended"] and record["n_missing"] == 1


def test_what_is_missing_is_said_in_the_words_of_the_page(folder):
    set_statuses(folder, 6, 6, found(off_class=0, edges=0), LIMIT)
    review(folder, "000001.png", "refuse", "Ada")
    record = screening_record(folder)
    assert record and what_is_missing("Pond", record) == (
        "Pond: 2 of 6 images are missing after drawing 6; refused: looks like another class (1), "
        "edges unlike the class (1), human review (1); an image may count for several."
    )
    assert what_is_missing("Pond", set_statuses(folder, 4, 6, found(), LIMIT)) == ""


def test_that_no_image_of_any_class_was_accepted_is_said_with_what_refused_them(folder):
    record = set_statuses(folder, 2, 6, found(off_class=0, edges=0), LIMIT)
    assert why_none_accepted([record]) == "" and why_none_accepted([]) == ""
    for path in read_manifest(folder).frame["path"]:
        review(folder, path, "refuse", "Ada")
    record = screening_record(folder)
    assert record and why_none_accepted([record, record]) == (
        "No synthetic image was accepted: 12 were drawn; refused: looks like another class (2), "
        "edges unlike the class (2), human review (12); an image may count for several."
    )


def test_an_image_refused_by_eye_is_replaced_by_a_spare_one(folder):
    set_statuses(folder, 3, 9, found(noise=1), LIMIT)
    review(folder, "000000.png", "refuse", "Ada")
    assert statuses(folder) == ["refused", "refused", "ok", "ok", "ok", "spare"]
    row = read_manifest(folder).frame.iloc[0]
    assert (row["review"], row["reviewer"], row["detail"]) == ("refuse", "Ada", "refused by Ada")
    assert row["reviewed"].endswith("+00:00")
    review(folder, "000000.png", None, "Ada")
    assert statuses(folder) == ["ok", "refused", "ok", "ok", "spare", "spare"]


def test_a_refused_image_is_accepted_by_eye_for_good(folder):
    set_statuses(folder, 3, 9, found(noise=1), LIMIT)
    review(folder, "000001.png", "accept", "Ada")
    assert statuses(folder)[:3] == ["ok", "ok", "ok"]
    set_statuses(folder, 4, 9, found(noise=1), LIMIT)  # drawn on and judged anew
    assert statuses(folder)[:4] == ["ok", "ok", "ok", "ok"]


def test_without_limits_only_people_refuse(folder):
    record = set_statuses(folder, 5, 6, None, None)
    assert not record["judged"] and statuses(folder).count("ok") == 5
    review(folder, "000002.png", "refuse", "Ada")
    assert statuses(folder) == ["ok", "ok", "refused", "ok", "ok", "ok"]


def test_other_images_make_a_screening_void(folder):
    set_statuses(folder, 3, 9, found(), LIMIT)
    mark_done(folder, {"n_images": 7})
    assert screening_record(folder) is None
    with pytest.raises(NotReady, match="terrabalance sample"):
        review(folder, "000000.png", "accept", "Ada")


def test_an_unknown_image_cannot_be_reviewed(folder):
    set_statuses(folder, 3, 9, found(), LIMIT)
    with pytest.raises(BadInput, match=r"no synthetic image '\.\./x\.png'"):
        review(folder, "../x.png", "refuse", "Ada")


def test_a_decision_that_was_kept_but_not_applied_makes_a_screening_void(folder):
    set_statuses(folder, 3, 9, found(), LIMIT)
    decided = {"000000.png": {"review": "refuse", "reviewer": "Ada", "reviewed": "now"}}
    write_json(folder / REVIEWS, decided)  # killed before the manifest followed
    assert screening_record(folder) is None and not is_screened(folder)
    set_statuses(folder, 3, 9, found(), LIMIT)
    assert is_screened(folder) and statuses(folder)[0] == "refused"


@pytest.fixture
def decided(folder) -> Path:
    """Ada refused the first image, then the second."""
    set_statuses(folder, 3, 9, found(), LIMIT)
    review(folder, "000000.png", "refuse", "Ada")
    shutil.copy(folder / REVIEWS, folder / "a copy")
    review(folder, "000001.png", "refuse", "Ada")
    return folder


def ada_refused(folder: Path) -> list[str]:
    rows = read_manifest(folder).frame.query("review == 'refuse' and reviewer == 'Ada'")
    return sorted(rows["path"])


@pytest.mark.parametrize("is_screened_again", [False, True])
@pytest.mark.parametrize("left", ["nothing", "an older copy"])
def test_decisions_that_were_lost_are_put_back(decided, caplog, left, is_screened_again):
    if left == "nothing":
        (decided / REVIEWS).unlink()
    else:
        (decided / "a copy").replace(decided / REVIEWS)
    if is_screened_again:
        set_statuses(decided, 3, 9, found(), LIMIT)
    assert is_screened(decided)
    assert sorted(read_reviews(decided)) == ada_refused(decided) == ["000000.png", "000001.png"]
    assert statuses(decided)[:2] == ["refused", "refused"]
    n_lost = 2 if left == "nothing" else 1
    assert f"lacked {n_lost} decision(s) by eye of Ada" in caplog.text


def test_the_newest_decision_on_an_image_is_put_back(decided):
    reviews = read_reviews(decided)
    older = {"review": "accept", "reviewer": "Bo", "reviewed": "2001-01-01T00:00:00+00:00"}
    write_json(decided / REVIEWS, reviews | {"000001.png": older})
    assert is_screened(decided) and read_reviews(decided) == reviews


def test_a_decision_that_was_taken_back_is_not_put_back(decided, caplog):
    review(decided, "000000.png", None, "Ada")
    assert is_screened(decided) and ada_refused(decided) == ["000001.png"]
    set_statuses(decided, 3, 9, found(), LIMIT)
    assert ada_refused(decided) == ["000001.png"] and "lacked" not in caplog.text


@pytest.mark.parametrize("manifest", ["gone", "damaged"])
def test_decisions_that_nothing_knows_any_more_are_told(decided, manifest):
    (decided / REVIEWS).unlink()
    (decided / "manifest.parquet").unlink()
    if manifest == "damaged":
        (decided / "manifest.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadInput, match=r"reviews\.json: has 0 of at least 2 decisions by eye"):
        is_screened(decided)


@pytest.fixture
def another_decides(folder) -> Iterator[None]:
    """Another process has kept a decision, and is about to write the manifest that follows it."""
    set_statuses(folder, 2, 6, found(), LIMIT)
    before = (folder / "screening.json").read_bytes()
    review(folder, "000000.png", "refuse", "Ada")
    after = (folder / "screening.json").read_bytes()
    (folder / "screening.json").write_bytes(before)
    is_held = threading.Event()

    def decide() -> None:
        with FileLock(folder / ".screening.lock"):
            is_held.set()
            time.sleep(0.3)
            (folder / "screening.json").write_bytes(after)

    other = threading.Thread(target=decide)
    other.start()
    is_held.wait()
    yield
    other.join()


def test_a_decision_waits_for_another_persons(folder, another_decides):
    review(folder, "000001.png", "refuse", "Bo")
    assert statuses(folder)[:4] == ["refused", "refused", "ok", "ok"]


def test_who_reads_the_record_waits_for_a_decision(folder, another_decides):
    assert is_screened(folder)


def test_every_rule_has_a_column_also_where_nothing_was_scored(folder):
    set_statuses(folder, 5, 6, None, None)
    found = scores_in(read_manifest(folder).frame)
    assert tuple(found) == NAMES and all(np.isnan(values).all() for values in found.values())


@pytest.fixture
def older(folder) -> Path:
    """A folder that was screened when there were no rules `noise` and `repeat`."""
    scores, limits = found(edges=1), {rule: 1.0 for rule in LIMITED if rule != "noise"}
    del scores["noise"], scores["repeat"]
    set_statuses(folder, 3, 6, scores, limits)
    return folder


def test_a_manifest_from_before_a_rule_is_reviewed_by_the_rules_of_its_time(older):
    assert statuses(older) == ["ok", "refused", "ok", "ok", "spare", "spare"]
    for _ in range(2):
        review(older, "000000.png", "refuse", "Ada")
        assert statuses(older) == ["refused", "refused", "ok", "ok", "ok", "spare"]
        frame = read_manifest(older).frame
        assert set(scores_in(frame)) == set(NAMES) - {"noise", "repeat"}
    review(older, "000000.png", None, "Ada")
    assert statuses(older) == ["ok", "refused", "ok", "ok", "spare", "spare"]


def test_a_record_from_before_a_rule_is_still_of_all_rules(older):
    record = screening_record(older)
    assert record and not has_few_limits(record)
    assert has_few_limits({**record, "limits": {"copy": 0.9, "near_copy": 0.5}})
    assert has_few_limits({**record, "limits": {}})
    assert not has_few_limits({**record, "judged": False, "limits": None})


def test_images_of_an_older_screening_get_the_scores_of_a_new_one(older):
    set_statuses(older, 3, 6, found(noise=0), LIMIT)
    frame = read_manifest(older).frame
    assert tuple(scores_in(frame)) == NAMES and frame["score_noise"].tolist() == [2, 0, 0, 0, 0, 0]
    assert statuses(older)[0] == "refused"


@pytest.mark.parametrize("name", ["screening.json", "done.json"])
@pytest.mark.parametrize("text", ["[]", '{"n_drawn": 6, "n_images": "6"}'])
def test_a_record_of_something_else_is_named(folder, name, text):
    set_statuses(folder, 3, 9, found(), LIMIT)
    (folder / name).write_text(text)
    with pytest.raises(BadInput, match=re.escape(str(folder / name))):
        is_screened(folder)


def test_deleted_as_its_message_says_a_record_is_made_again(folder):
    set_statuses(folder, 3, 9, found(), LIMIT)
    (folder / "screening.json").write_text("{}")
    (folder / "screening.json").unlink()
    assert not is_screened(folder)
    set_statuses(folder, 3, 9, found(), LIMIT)
    assert is_screened(folder)
