import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augment.report.balance import balance_markdown, balance_record, balance_section, balance_table
from augment.scenes import draw_scene
from augment.screen.rules import LIMITED
from augment.screen.statuses import FEW_LIMITS
from augment.train.history import write_losses
from terrabalance.bands import RGB
from terrabalance.files import slug, write_json
from terrabalance.images import grid, write_png
from terrabalance.manifest import Manifest, frame_of, write_manifest
from terrabalance.symmetry import apply_symmetry

SIDE = 16
HOSTILE = '"><script>alert(1)</script>'
COUNTS = {"Forest": 12, "River": 10, "<b>x</b>": 6, HOSTILE: 4}
SCENES = dict(zip(COUNTS, ["Forest", "River", "Beach", "Farmland"], strict=True))


def write_real(root: Path) -> Manifest:
    rows: list[dict[str, object]] = []
    for name, count in COUNTS.items():
        for i in range(count + 2):
            path = f"{slug(name)}/{i:03d}.png"
            write_png(root / path, draw_scene(SCENES[name], i, SIDE))
            split = "train" if i < count else "test"
            rows.append({"path": path, "class": name, "split": split, "source": "real"} | OK)
    rows.append(
        {
            "path": "River/broken.png",
            "class": "River",
            "status": "unreadable",
            "detail": "<i>cut</i>",
        }
    )
    return Manifest(root, frame_of(rows))


OK = {"status": "ok"}


def write_synthetic(folder: Path, name: str, count: int) -> Path:
    images = [draw_scene(SCENES[name], 1000 + i, SIDE) for i in range(count)]
    real = draw_scene(SCENES[name], 0, SIDE)
    images[0] = apply_symmetry(torch.from_numpy(real.copy()), 5).numpy()  # a planted copy
    rows: list[dict[str, object]] = []
    for i, image in enumerate(images):
        write_png(folder / f"{i:06d}.png", image)
        rows.append(
            {"path": f"{i:06d}.png", "class": name, "split": "train", "source": "synthetic"} | OK
        )
    write_png(folder / "strip.png", grid(np.stack([images[1]] * 9), columns=9))
    write_manifest(Manifest(folder, frame_of(rows)), folder)
    return folder


def write_generator(folder: Path, name: str) -> Path:
    card = {"class_name": name, "steps": 400, "images_seen": 12800, "seconds": 61.0,
            "device": "cpu", "precision": "fp32", "parameters": 1234567}  # fmt: skip
    write_json(folder / "card.json", card)
    write_losses(folder / "losses.csv", [[i, 32 * i, 1 / i, 1e-4, 1.0] for i in range(1, 400)])
    return folder


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("report")
    catalogue = write_real(root / "real")
    few = {"<b>x</b>": 6, HOSTILE: 8}
    plan = {
        "target": {"policy": "max", "count": 12}, "left_out": "",
        "classes": [
            {"class": name, "n_train": n, "n_target": 12, "n_needed": few.get(name, 0),
             "minority": n < 12, "capped": False}
            for name, n in COUNTS.items()
        ],
    }  # fmt: skip
    return {
        "catalogue": catalogue,
        "plan": plan,
        "generators": {n: write_generator(root / "g" / slug(n), n) for n in few},
        "synthetic": {n: write_synthetic(root / "s" / slug(n), n, k) for n, k in few.items()},
        "size": SIDE,
        "bands": RGB,
    }


@pytest.fixture(scope="module")
def record(parts: dict[str, Any]) -> dict[str, Any]:
    return balance_record(**parts)


@pytest.fixture(scope="module")
def html(parts: dict[str, Any], record: dict[str, Any]) -> str:
    rest = {key: value for key, value in parts.items() if key != "plan"}
    return str(balance_section(record, **rest).html)


def test_the_record_counts_before_and_after(record: dict[str, Any]):
    assert record["before"] == {"n_images": 32, "imbalance_ratio": 3.0, "effective_classes": 3.688}
    assert record["after"]["n_images"] == 46
    assert record["after"]["imbalance_ratio"] == 1.2
    assert record["after"]["effective_classes"] > record["before"]["effective_classes"]
    assert [row["n_real"] for row in record["classes"]] == [12, 10, 6, 4]
    assert {row["n_test"] for row in record["classes"]} == {2}


def test_the_record_survives_json(record: dict[str, Any]):
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_a_planted_copy_is_the_first_pair_and_counts_as_suspected(record: dict[str, Any]):
    for row in record["filled"]:
        first = row["neighbours"]["pairs"][0]
        assert (first["synthetic"], first["distance"], first["symmetry"]) == ("000000.png", 0, 5)
        assert first["real"].endswith("/000.png")
        assert row["neighbours"]["copy_share"] >= 1 / row["neighbours"]["n_synthetic"] - 1e-3


def test_only_real_images_of_the_train_part_are_compared(record: dict[str, Any]):
    assert {row["class"]: row["neighbours"]["n_real"] for row in record["filled"]} == {
        HOSTILE: 4,
        "<b>x</b>": 6,
    }


def test_a_class_with_one_real_image_has_no_distances_but_a_report(parts: dict[str, Any]):
    catalogue = parts["catalogue"]
    frame = catalogue.frame
    extra = (frame["class"] == HOSTILE) & ~frame["path"].str.endswith("/000.png")
    one = {**parts, "catalogue": Manifest(catalogue.root, frame[~extra])}
    record = balance_record(**one)
    near = record["filled"][0]["neighbours"]
    assert near["synthetic_to_real_median"] is None
    assert near["pairs"] == []
    del one["plan"]
    assert "Synthetic" in balance_section(record, **one).html


def test_problems_of_the_data_are_listed_with_their_files(record: dict[str, Any], html: str):
    assert record["problems"] == [
        {"status": "unreadable", "count": 1,
         "examples": [{"path": "River/broken.png", "detail": "<i>cut</i>"}]}
    ]  # fmt: skip
    assert "used nowhere: 1 of 41 files" in html


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
def test_what_limits_there_are_and_from_how_many_images_is_told(
    parts: dict[str, Any], record: dict[str, Any], rules, said
):
    screening = {
        "n_drawn": 9, "n_accepted": 9, "n_used": 6, "n_needed": 6, "n_missing": 0, "most": 18,
        "judged": True, "refused": {}, "refused_by_eye": 0, "accepted_by_eye": 0,
        "limits": dict.fromkeys(rules, 0.5),
    }  # fmt: skip
    filled = [{**row, "screening": screening} for row in record["filled"]]
    rest = {key: value for key, value in parts.items() if key != "plan"}
    counts = [{**row, "n_val": 5} for row in record["classes"]]
    html = str(balance_section({**record, "filled": filled, "classes": counts}, **rest).html)
    assert (FEW_LIMITS in html) is said
    limits = "Validation images that the limits come from: 5 of the class, 20 of all classes."
    assert (limits in html) is not said


def test_the_page_says_why_classes_below_the_target_are_not_filled(parts: dict[str, Any]):
    why = "Only the 2 rarest classes are filled; all: --set plan.rarest=none."
    record = balance_record(**{**parts, "plan": {**parts["plan"], "left_out": why}})
    rest = {key: value for key, value in parts.items() if key != "plan"}
    assert why in str(balance_section(record, **rest).html)


def test_the_table_has_one_row_a_class(record: dict[str, Any]):
    table = balance_table(record).set_index("class")
    assert table.loc["Forest", ["n_real", "n_synthetic", "n_after"]].tolist() == [12, 0, 12]
    assert table.loc[HOSTILE, "n_after"] == 12
    assert table["copy_share"].isna().tolist() == [True, True, False, False]


def test_markdown_cannot_be_broken_by_a_class_name(record: dict[str, Any]):
    text = balance_markdown(record)
    assert "<" not in text
    assert re.search(r"Imbalance ratio \| 3\.0 \| 1\.2", text)
