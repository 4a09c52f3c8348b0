import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augment.report.balance import balance_markdown, balance_section, balance_table
from augment.report.balance_record import BalanceInputs, balance_record
from augment.screen.rules import LIMITED
from augment.screen.statuses import FEW_LIMITS
from terrabalance.files import read_record, write_json


@pytest.fixture(scope="module")
def html(inputs: BalanceInputs, record: dict[str, Any]) -> str:
    return str(balance_section(record, inputs).html)


def test_the_page_counts_the_problems_of_the_data(html: str):
    assert "Not used: 1 of 41 files" in html


def test_nothing_a_stranger_wrote_becomes_markup(html: str):
    assert "<b>x</b>" not in html
    assert "<script" not in html
    assert "<i>cut" not in html
    assert "&lt;b&gt;x&lt;/b&gt;" in html


def test_every_picture_is_inside_the_page_and_says_what_it_is(html: str):
    images = re.findall(r"<img [^>]+>", html)
    assert len(images) == 2 * 9 + (4 + 6) + (8 + 6) + 2 * 2 * 6
    assert all('src="data:image/png;base64,' in image for image in images)
    assert all(
        re.search(r'alt="(Real|Synthetic|Nearest real|Denoising)', image) for image in images
    )


def test_the_loss_curve_is_drawn(html: str):
    assert html.count("<polyline") == 4
    assert "12,800 images seen, 400 steps, trained in 61 s, on cpu" in html


@pytest.mark.parametrize(("rules", "said"), [(("copy", "near_copy"), True), (LIMITED, False)])
def test_the_page_says_which_limits_there_are_and_from_how_many_images(
    inputs: BalanceInputs, record: dict[str, Any], rules, said
):
    screening = {
        "n_drawn": 9, "n_accepted": 9, "n_used": 6, "n_needed": 6, "n_missing": 0, "most": 18,
        "judged": True, "refused": {}, "refused_by_eye": 0, "accepted_by_eye": 0,
        "limits": dict.fromkeys(rules, 0.5),
    }  # fmt: skip
    filled = [{**row, "screening": screening} for row in record["filled"]]
    counts = [{**row, "n_val": 5} for row in record["classes"]]
    html = str(balance_section({**record, "filled": filled, "classes": counts}, inputs).html)
    assert (FEW_LIMITS in html) is said
    limits = "The limits were set on validation images: 5 of the class, 20 of all classes."
    assert (limits in html) is not said


def test_the_page_says_why_classes_below_the_target_are_not_filled(
    inputs: BalanceInputs, plan: dict[str, Any]
):
    why = "Only the 2 rarest classes are filled; all: --set plan.rarest=none."
    record = balance_record(inputs, {**plan, "left_out": why})
    assert why in str(balance_section(record, inputs).html)


def test_the_page_says_which_unlabelled_images_the_base_has_learned(
    inputs: BalanceInputs, plan: dict[str, Any], tmp_path
):
    learned = {
        "folder": "tiles", "source": "<i>survey", "licence": "CC0", "n_listed": 12, "n_learned": 9,
        "n_labelled": 5, "near_held_out": {"test": 2, "val": 1}, "left_out": {},
    }  # fmt: skip
    generators = {
        name: Path(shutil.copytree(folder, tmp_path / folder.name))
        for name, folder in inputs.generators.items()
    }
    for folder in generators.values():
        card = folder / "card.json"
        write_json(card, {**read_record(card), "unlabelled": learned})
    record = balance_record(replace(inputs, generators=generators), plan)
    html = str(balance_section(record, inputs).html)
    said = "3 of that folder were kept out, as nearly the same picture is held out, in test (2)"
    assert said in html and "9 unlabelled images of tiles" in html and "<i>survey" not in html
    assert balance_record(inputs, plan)["unlabelled"] is None


def test_the_table_has_one_row_a_class(record: dict[str, Any], hostile: str):
    table = balance_table(record).set_index("class")
    assert table.loc["Forest", ["n_real", "n_synthetic", "n_after"]].tolist() == [12, 0, 12]
    assert table.loc[hostile, "n_after"] == 12
    assert table["copy_share"].isna().tolist() == [True, True, False, False]


def test_markdown_cannot_be_broken_by_a_class_name(record: dict[str, Any]):
    text = balance_markdown(record)
    assert "<" not in text
    assert re.search(r"Imbalance ratio \| 3\.0 \| 1\.2", text)
