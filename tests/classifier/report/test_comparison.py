import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from classifier.compare.comparison import compare
from classifier.report.comparison import comparison_markdown, comparison_section

HOSTILE = '"><script>alert(1)</script>'
CLASSES = ["Forest", "River", "<b>x</b>", HOSTILE]
ARMS = {"real": (0.9, 0.9, 0.3, 0.6), "synthetic": (0.9, 0.9, 0.95, 0.6)}


def predictions(n_each: int = 30, seeds: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"arm": arm, "seed": seed, "split": "test", "path": f"{at}/{i}", "class": name,
         "predicted": name if rng.random() < rates[at] else CLASSES[(at + 1) % 4],
         "confidence": 0.5}
        for arm, rates in ARMS.items()
        for seed in range(seeds)
        for at, name in enumerate(CLASSES)
        for i in range(n_each)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    real = dict(zip(CLASSES, [200, 100, 20, 50], strict=True))
    n_train = {"real": real, "synthetic": dict.fromkeys(CLASSES, 200)}
    training = {"model": "m<b>", "steps": 10, "betas": [1, 2], "weights": None, "seeds": [0, 1, 2]}
    return compare(predictions(), n_train, "64 px", training)


@pytest.fixture(scope="module")
def html(record: dict[str, Any]) -> str:
    return str(comparison_section(record, 0.6).html)


def test_the_verdict_comes_first_in_the_colour_of_its_outcome(record: dict[str, Any], html: str):
    assert record["verdict"]["outcome"] == "helped"
    assert html.lstrip().startswith('<div class="verdict helped">')
    assert html.index("The synthetic images helped.") < html.index("<table")


def test_what_validation_chose_is_said_beside_the_arm_and_all_tries_below(record: dict[str, Any]):
    def tried(chosen: str) -> list[dict[str, Any]]:
        return [
            {"arm": "synthetic", "says": says, "val": val, "chosen": says == chosen, "setting": {},
             "usual": says == "as usual"}
            for says, val in (("as usual", 0.61), ("none<b>", 0.72))
        ]  # fmt: skip

    html = str(comparison_section({**record, "tried": tried("none<b>")}, 0.6).html)
    assert "none&lt;b&gt;, by validation" in html
    assert "61.0" in html and "<b>72.0</b>" in html
    html = str(comparison_section({**record, "tried": tried("as usual")}, 0.6).html)
    assert "by validation" not in html.split("<tbody>")[1].split("</tbody>")[0]


@pytest.mark.parametrize(
    ("outcome", "kind", "headline"),
    [("hurt", "hurt", "The synthetic images hurt."),
     ("none chosen", "unchanged", "Validation chose none of the synthetic images."),
     ("no clear difference", "unchanged", "No clear difference.")],
)  # fmt: skip
def test_other_outcomes_are_said_as_plainly(
    record: dict[str, Any], outcome: str, kind: str, headline: str
):
    other = {**record, "verdict": {"outcome": outcome, "sentence": "So it is.", "by_class": ""}}
    html = comparison_section(other, 0.6).html
    assert f'<div class="verdict {kind}">' in html
    assert headline in html
    assert "So it is." in html


def test_classes_are_shown_rarest_first(html: str):
    chart = html[html.index("Change of recall") : html.index("Scores per class")]
    names = re.findall(r"<bdi>(.*?)</bdi>", chart)
    assert names[0] == "&lt;b&gt;x&lt;/b&gt;"
    assert names[2:] == ["River", "Forest"]


def test_only_a_proven_change_is_coloured(html: str):
    assert html.count('class="change helped"') == 1
    assert html.count('class="change unchanged"') == 3


def test_an_interval_that_the_axis_cannot_hold_is_marked_as_cut(record: dict[str, Any]):
    nothing_known = {"mean": 0.0, "low": -1.0, "high": 1.0}
    rows = [{**record["per_class"][0], "recall_change": nothing_known}, *record["per_class"][1:]]
    html = str(comparison_section({**record, "per_class": rows}, 0.6).html)
    assert html.count("cut-left cut-right") == 1 and "\N{MINUS SIGN}100" in html


def test_the_size_of_images_is_told_from_the_networks_input(record: dict[str, Any]):
    training = {**record["training"], "image_size": 224}
    html = str(comparison_section({**record, "training": training}, 0.6).html)
    assert "reduced to 64 px first, and then scaled to the 224 px of the network's input" in html
    assert "<dt>Network&#39;s input, px</dt>" in html and "Image size" not in html


def test_matrices_are_in_per_cent_of_the_true_class(record: dict[str, Any], html: str):
    matrix = record["confusion"]["real"]
    share = 100 * matrix[0][0] / sum(matrix[0])
    assert f"Forest → Forest: {matrix[0][0]}" in html
    assert f">{share:.0f}</td>" in html


def test_a_class_without_test_images_has_an_empty_row(record: dict[str, Any]):
    empty = [[0] * 4, *record["confusion"]["real"][1:]]
    other = {**record, "confusion": {"real": empty, "synthetic": empty}}
    assert "Forest → Forest" not in comparison_section(other, 0.6).html


def test_nothing_a_stranger_wrote_becomes_markup(html: str):
    assert "<script" not in html
    assert "<b>x" not in html
    assert "m&lt;b&gt;" in html


def test_settings_without_a_plain_value_are_left_out(html: str):
    assert "Betas" not in html
    assert "Weights" not in html
    assert "<dt>Steps</dt>" in html


def test_markdown_says_the_sentence_and_the_classes_that_changed(record: dict[str, Any]):
    text = comparison_markdown(record)
    assert "raised balanced accuracy" in text
    assert "&lt;b&gt;x" in text
    assert "<" not in text
    assert "River" not in text


def test_mcnemars_test_is_against_plain_training_and_the_best_rival():
    found = predictions()
    twin = found[found["arm"] == "synthetic"].assign(arm="logit-adjustment")
    real = dict.fromkeys(CLASSES, 50)
    n_train = dict.fromkeys(("real", "logit-adjustment", "synthetic"), real)
    record = compare(pd.concat([found, twin]), n_train, "64 px", {})
    html = str(comparison_section(record, 0.6).html)
    assert record["headline"]["rival"] == "logit-adjustment"
    assert re.findall(r"McNemar's exact test</dt><dd[^>]*>[^<]* against ([\w ]+)", html) == [
        "real only", "logit adjustment"
    ]  # fmt: skip
    header, _, *rows = [line for line in comparison_markdown(record).splitlines() if "|" in line]
    assert "To real only | 95 % interval | To logit adjustment | 95 % interval" in header
    assert re.search(r"Real \+ synthetic .* 0\.0 \| 0\.0 to 0\.0 \|$", rows[2])


def test_the_page_says_how_many_classes_give_themselves_away(record: dict[str, Any]):
    values = zip(CLASSES, (0.55, 0.71, 0.6, 0.74), strict=True)
    found = [{"class": name, "value": value, "standard_error": 0.1} for name, value in values]
    html = str(comparison_section({**record, "give_away": found}, 0.6).html)
    assert "0.65 on average, above 0.60 in 2 of 4 classes" in html
    assert "at most 0.74" in html and HOSTILE not in html


def test_a_long_list_of_what_is_left_out_is_cut_and_escaped(record: dict[str, Any]):
    reason = {"status": "duplicate", "n": 2, "path": HOSTILE, "detail": "a<b>"}
    reasons = [{**reason, "class": f"<i>{at}"} for at in range(12)]
    left = {"left_out": {"n": 24, "of": 30, "reasons": reasons}}
    html = str(comparison_section({**record, **left}, 0.6).html)
    assert "24 of 30 synthetic images are left out" in html and "and 2 more, all in" in html
    assert html.count("2 duplicate, e.g.") == 10
    assert "<i>" not in html and "a<b>" not in html and "<script" not in html


def test_trainings_in_different_precision_are_told_above_the_arms(record: dict[str, Any]):
    mixed = {**record, "precisions": {"bf16 autocast": 2, "float32": 4}}
    html = str(comparison_section(mixed, 0.6).html)
    places = ["All arms on", "(bf16 autocast: 2, float32: 4)", "<table"]
    assert sorted(places, key=html.index) == places
    assert "bf16 autocast" in comparison_markdown(mixed)
    for silent in (record, {**record, "precisions": {"float32": 6}}):
        page = comparison_section(silent, 0.6).html + comparison_markdown(silent)
        assert "one precision" not in page


def recommending(record: dict[str, Any], **changes: Any) -> dict[str, Any]:
    said = {"arm": "synthetic", "sentence": "Train on <b> the real images.", **changes}
    return {**record, "recommended": said, "report": "aid-1f2e3d"}


def test_what_to_use_is_right_below_the_verdict_with_its_command(record: dict[str, Any]):
    html = str(comparison_section(recommending(record), 0.6).html)
    said = "<h3>What to use</h3>\n<p>Train on &lt;b&gt; the real images.</p>"
    verdict, use, arms = (html.index(each) for each in ("verdict helped", said, "All arms on"))
    assert verdict < use < html.index(">terrabalance export aid-1f2e3d<") < arms
    page = comparison_markdown(recommending(record))
    assert "### What to use\n\nTrain on &lt;b&gt; the real images.\n\n```\nterrabalance ex" in page


def test_without_a_recommendation_there_is_a_reason_and_no_command(record: dict[str, Any]):
    assert record["recommended"]["arm"] is None  # it has no validation images
    html = str(comparison_section(record, 0.6).html)
    assert "no validation images to choose an arm by" in html and "terrabalance export" not in html
    assert "no validation images" in comparison_markdown(record)


def test_a_record_of_an_older_version_is_shown_without_a_recommendation(record: dict[str, Any]):
    older = {name: value for name, value in record.items() if name != "recommended"}
    assert "What to use" not in comparison_section(older, 0.6).html
    assert "What to use" not in comparison_markdown(older)


def test_what_real_images_are_worth_is_told_with_the_names_of_classes_escaped():
    arms = {**ARMS, "halved": (0.9, 0.9, 0.1, 0.3)}
    rng = np.random.default_rng(1)
    rows = predictions(60)
    half = rows[rows["arm"] == "real"].assign(arm="halved")
    wrong = half["class"].isin(CLASSES[2:]) & (rng.random(len(half)) < 0.7)
    half.loc[wrong, "predicted"] = "River"
    real = dict(zip(CLASSES, [200, 100, 20, 5], strict=True))
    n_train = {
        "real": real, "synthetic": {**real, CLASSES[2]: 200, HOSTILE: 200},
        "halved": {**real, CLASSES[2]: 10, HOSTILE: 3},
    }  # fmt: skip
    record = compare(pd.concat([rows, half]), {arm: n_train[arm] for arm in arms}, "64 px", {})
    html = str(comparison_section(record, 0.6).html)
    assert "What more real images would be worth" in html and HOSTILE not in html
    assert "The arm <code>" not in html
    said = comparison_markdown(record)
    assert "Half as many real images of 2 filled classes" in said and HOSTILE not in said


def test_the_arm_that_tells_it_is_named_where_it_is_not_compared(html: str):
    assert "<code>halved+logit-adjustment</code>" in html
