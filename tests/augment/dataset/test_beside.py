"""The files beside the images: what they say, with their checksums and without."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from augment.dataset.assemble import assemble
from augment.dataset.beside import problems_beside
from terrabalance.finished import done, mark_done
from terrabalance.manifest import read_manifest

LABELS = ("class_map.txt", "README.md", "croissant.json")  # which torchvision, HF, … read them of


@pytest.fixture
def dataset(catalogue, synthetic, tmp_path) -> Path:
    return assemble(catalogue, synthetic, tmp_path / "set", {}).root


@pytest.fixture(params=["as made", "a mark without checksums", "no mark"])
def any_dataset(dataset, request) -> Path:
    if request.param == "a mark without checksums":
        mark_done(dataset, {"stage": (done(dataset) or {})["stage"]})
    if request.param == "no mark":
        (dataset / "done.json").unlink()
    return dataset


def found(dataset: Path) -> set[tuple[str, str]]:
    problems = {(name, kind) for name, kind, _ in problems_beside(read_manifest(dataset))}
    return problems - {("done.json", "missing")}


def exchange(file: Path, one: str, other: str) -> None:
    """Exchange two words of a text."""
    text = file.read_text()
    assert one in text and other in text
    file.write_text(text.replace(one, "\0").replace(other, one).replace("\0", other))


@pytest.mark.parametrize("name", LABELS)
def test_labels_that_were_exchanged_are_found_whatever_the_mark_lists(any_dataset, name):
    assert found(any_dataset) == set()
    exchange(any_dataset / name, *(any_dataset / "class_map.txt").read_text().split())
    assert found(any_dataset) == {(name, "changed")}


def test_a_csv_that_does_not_have_the_rows_of_the_manifest_is_found(any_dataset):
    twin = any_dataset / "manifest.csv"
    as_made = twin.read_text()
    for other in (as_made.replace(",train,", ",val,", 1), as_made[:-1], as_made + "\n", ""):
        twin.write_text(other)
        assert found(any_dataset) == {("manifest.csv", "changed")}
    twin.unlink()
    assert found(any_dataset) == {("manifest.csv", "missing")}


@pytest.mark.parametrize("content", [bytes(5000), bytes(range(128, 256)), "# é".encode("utf-16")])
def test_a_card_that_is_no_text_is_found(dataset, content):
    (dataset / "README.md").write_bytes(content)
    assert found(dataset) == {("README.md", "changed")}


def test_a_card_that_is_gone_is_found(dataset):
    (dataset / "README.md").unlink()
    assert found(dataset) == {("README.md", "missing")}


def test_what_people_write_into_the_card_is_theirs(dataset):
    card = dataset / "README.md"
    text = card.read_text()
    names = text.replace("'0': \"", "0: '").replace("'1': \"", "1: '").replace('"\n', "'\n")
    for other in ("# My lakes\n", text.replace("---\n", "---\nlicense: mit\n", 1), text + "Mine.\n",
                  text.replace("\n", "\r\n"), names):  # fmt: skip
        card.write_bytes(other.encode())
        assert found(dataset) == set()


@pytest.mark.parametrize(
    "content", ["---\nclass_label:\n---\n", "---\nclass_label:\n names:\n  '99999999999': a\n---\n",
                "---\nclass_label:\n names:\n  '0': \"a\n---\n"]
)  # fmt: skip
def test_a_card_whose_labels_cannot_be_told_is_found(dataset, content):
    (dataset / "README.md").write_text(content)
    assert found(dataset) == {("README.md", "changed")}


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"recordSet": 1}', '{"recordSet": [1]}'])
def test_a_description_of_any_content_is_found(dataset, content):
    mark_done(dataset, {})
    (dataset / "croissant.json").write_text(content)
    assert found(dataset) == {("croissant.json", "changed")}


def test_a_manifest_of_an_earlier_version_agrees_with_its_csv(dataset):
    table = pq.read_table(dataset / "manifest.parquet").drop_columns(["place", "review"])
    pq.write_table(table.replace_schema_metadata(None), dataset / "manifest.parquet")
    table.to_pandas().to_csv(dataset / "manifest.csv", index=False)
    assert found(dataset) == {("manifest.parquet", "changed")}
