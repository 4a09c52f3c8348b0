from pathlib import Path

import pytest
import yaml

from augment.dataset.card import dataset_card
from terrabalance.manifest import Manifest, frame_of
from terrabalance.markdown import escape_markdown

ABOUT = {
    "name": 'Demo: "small"\nlicense: mit',
    "source": "drawn by a program",
    "generators": {"pond-1a2b": {"steps": 300, "n_images": 9, "config": {"image_size": 32}}},
    "target": {"policy": "max"},
}


def rows_of(label: str, split: str, count: int, **more: object) -> list[dict[str, object]]:
    start = f"{split}/{label}/{more.get('source', 'real')}"
    return [{"path": f"{start}_{n}.png", "class": label, "split": split, "source": "real",
             "status": "ok", **more} for n in range(count)]  # fmt: skip


def manifest_of(*parts: list[dict[str, object]]) -> Manifest:
    return Manifest(Path("set"), frame_of([row for part in parts for row in part]))


@pytest.fixture
def manifest() -> Manifest:
    made = {"source": "synthetic", "generator": "pond-1a2b"}
    return manifest_of(
        rows_of("Pond", "train", 9), rows_of("Pond", "train", 4, **made),
        rows_of("Pond", "val", 2), rows_of("Pond", "test", 3),
        rows_of("a|b<i>", "train", 13), rows_of("a|b<i>", "test", 1),
    )  # fmt: skip


def front_matter(card: str) -> dict[str, object]:
    return yaml.safe_load(card.split("---\n")[1])


def test_the_table_counts_real_and_synthetic_images_a_split(manifest):
    card = dataset_card(manifest, ABOUT)
    assert "| Pond | 9 | 4 | 2 | 3 |" in card
    assert "| **all** | 22 | 4 | 2 | 4 |" in card


def test_the_front_matter_names_the_splits_as_the_hub_does(manifest):
    config = front_matter(dataset_card(manifest, ABOUT))["configs"][0]
    assert config["data_files"] == [
        {"split": "train", "path": "train/**"},
        {"split": "validation", "path": "val/**"},
        {"split": "test", "path": "test/**"},
    ]


def test_a_split_without_images_is_not_announced():
    card = dataset_card(manifest_of(rows_of("Pond", "train", 1)), {})
    assert [part["split"] for part in front_matter(card)["configs"][0]["data_files"]] == ["train"]
    assert "None: every image is real." in card


def test_a_title_cannot_add_keys_to_the_front_matter(manifest):
    matter = front_matter(dataset_card(manifest, ABOUT))
    assert matter["pretty_name"] == ABOUT["name"]
    assert "license" not in matter


def test_class_names_cannot_break_the_table_or_bring_html(manifest):
    card = dataset_card(manifest, ABOUT)
    assert r"| a\|b&lt;i&gt; (folder `a-b-i-" in card
    assert "`) | 13 | 0 | 0 | 1 |" in card
    assert "<i>" not in card


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Pond", "Pond"), ("[x](http://e)", r"\[x\]\(http\:\/\/e\)"), ("a\nb\u202ec", "a b c"),
     ("![p](x)", r"\!\[p\]\(x\)"), ("`c`", r"\`c\`")],
)  # fmt: skip
def test_markdown_is_escaped(text: str, shown: str):
    assert escape_markdown(text) == shown


def test_the_card_says_how_the_images_were_made_and_with_what(manifest):
    card = dataset_card(manifest, ABOUT)
    assert r"| Pond | pond-1a2b | 4 | n\_images 9, steps 300 |" in card
    assert '"image_size": 32' in card
    assert '"policy": "max"' in card


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"draws": ["Pond"], "start": None}, "real training images of that class alone"),
        ({"draws": ["Pond"], "start": "base-1f2e"}, "(base-1f2e) that was trained on the real"),
        ({"draws": ["Pond", "Port"], "start": None}, "conditioned on the class"),
    ],
)
def test_the_card_says_of_which_classes_the_models_have_seen_images(manifest, facts, said):
    text = dataset_card(manifest, {"generators": {"g": facts}})
    assert said in text.replace("\\", "")


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        ({"keep": 0.6, "strength": 1.0}, "keeps a part of a real training image of its class, 60%"),
        ({"keep": 0.0, "strength": 0.5}, "starts from a real training image of its class, noised"),
    ],
)
def test_the_card_says_what_synthetic_images_hold_of_real_ones(manifest, sampling, said):
    card = dataset_card(manifest, {**ABOUT, "sampling": sampling})
    assert card.count(said) == 2 and "no place on Earth" not in card
    plain = dataset_card(manifest, {**ABOUT, "sampling": {"keep": 0.0, "strength": 1.0}})
    assert said not in plain and "no place on Earth" in plain


def test_the_card_warns_and_shows_three_ways_to_load(manifest):
    card = dataset_card(manifest, ABOUT)
    for words in ("do not measure", "real images only", "hard links", "ImageFolder",
                  "create_dataset", 'load_dataset(str(Path.cwd()))'):  # fmt: skip
        assert words in card


def test_a_class_that_a_split_lacks_is_called_out(manifest):
    assert r"**Split `val` has no image of a\|b&lt;i&gt;.**" in dataset_card(manifest, ABOUT)


def test_formats_that_timm_skips_are_called_out():
    row = {"path": "train/P/a.TIF", "class": "P", "split": "train", "source": "real",
           "status": "ok"}  # fmt: skip
    assert 'add_img_extensions((".tif",))' in dataset_card(manifest_of([row]), {})
    row["path"] = "train/P/a.jpg"
    assert "add_img_extensions" not in dataset_card(manifest_of([row]), {})


def test_the_table_has_the_labels_in_the_order_of_the_class_names(manifest):
    card = dataset_card(manifest, ABOUT)
    assert "| 0 | Pond | 9 |" in card
    assert r"| 1 | a\|b" in card


def test_a_dataset_of_real_images_alone_is_not_called_synthetic():
    real = manifest_of(rows_of("Pond", "train", 9), rows_of("Pond", "test", 3))
    card = dataset_card(real, ABOUT)
    assert front_matter(card)["tags"] == ["remote-sensing"]
    assert "12 aerial images of 1 classes, all real." in card
    assert "diffusion" not in card and "hard links" in card


@pytest.mark.parametrize(
    ("n_labelled", "said"),
    [
        (40, "images of all classes, trained further on those of that class. Beside the training"),
        (0, "unlabelled images alone, trained further on the real training images of that class."),
    ],
)
def test_unlabelled_images_of_the_base_are_told_with_their_licence(manifest, n_labelled, said):
    learned = {
        "folder": "tiles", "source": "a survey", "licence": "CC BY-NC <4>", "n_listed": 9,
        "n_learned": 8, "n_labelled": n_labelled, "near_held_out": None, "left_out": {},
    }  # fmt: skip
    card = {"start": "base-1", "unlabelled": learned}
    text = dataset_card(manifest, {"generators": {"pond-1a2b": card}})
    assert said in text and "8 unlabelled images of tiles" in text
    assert escape_markdown("licence: CC BY-NC <4>") in text
