"""Classes whose names look the same, in every kind of data."""

from collections import Counter
from pathlib import Path

import pytest
from archive_files import member, tar_of

from augment.catalogue.config import ScanConfig
from augment.catalogue.groups import named_groups
from augment.catalogue.sources import open_source
from augment.config import PlanConfig

COMPOSED, DECOMPOSED = "K\u00fcste", "Ku\u0308ste"  # ü as one character, and as two
ALIKE = [
    ("Coast", "coast"),
    ("Coast", "Co\u200bast"),
    ("Storage tank", "Storage  tank"),
    ("Storage tank", "Storage\u00a0tank"),
    ("Stra\u00dfe", "STRASSE"),
    ("Coast", "\uff23oast"),
]


def laid_out(folder: Path, kind: str, names: list[str]) -> Path:
    """Return data with two files of each class, as a folder, a tar or a CSV."""
    paths = [f"{name}/{place}.jpg" for name in names for place in range(2)]
    if kind == "tar":
        return tar_of(folder / "a.tar", *(member(path) for path in paths))
    for path in paths:
        (folder / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "data" / path).write_bytes(b"x")
    if kind == "folder":
        return folder / "data"
    lines = [f'{path},"{path.partition("/")[0]}"' for path in paths]
    (folder / "data" / "list.csv").write_text("\n".join(["path,class", *lines]))
    return folder / "data" / "list.csv"


def classes_of(data: Path, folder: Path) -> Counter[str]:
    return Counter(entry.class_name for entry in open_source(data, folder / "x").entries)


@pytest.mark.parametrize("kind", ["folder", "tar", "csv"])
def test_a_class_is_one_in_whichever_form_of_unicode_it_is_written(tmp_path, kind, caplog):
    data = laid_out(tmp_path, kind, [COMPOSED, DECOMPOSED, "Wald"])
    assert classes_of(data, tmp_path) == {COMPOSED: 4, "Wald": 2}
    assert not caplog.text


def test_a_class_is_one_in_parts_of_different_forms(tmp_path):
    names = [f"train/{COMPOSED}", f"test/{DECOMPOSED}", "train/Wald", "test/Wald"]
    assert classes_of(laid_out(tmp_path, "folder", names), tmp_path) == {COMPOSED: 4, "Wald": 4}


@pytest.mark.parametrize("kind", ["folder", "tar", "csv"])
@pytest.mark.parametrize("one, other", ALIKE)
def test_names_that_a_reader_can_hardly_tell_apart_are_told(tmp_path, kind, one, other, caplog):
    data = laid_out(tmp_path, kind, [one, other, "Wald"])
    assert set(classes_of(data, tmp_path)) == {one, other, "Wald"}
    assert all(repr(name) in caplog.text for name in (one, other))
    assert "Wald" not in caplog.text and str(data) in caplog.text


def test_a_scene_is_one_in_whichever_form_it_is_written(tmp_path):
    data = laid_out(tmp_path, "csv", ["Wald"])
    data.write_text(f"path,class,group\nWald/0.jpg,Wald,{COMPOSED}\nWald/1.jpg,Wald,{DECOMPOSED}\n")
    entries = open_source(data, tmp_path / "x").entries
    assert named_groups(entries, None) == [[COMPOSED] * 2]
    data = laid_out(tmp_path, "folder", [f"Wald/{COMPOSED}", f"Wald/{DECOMPOSED}"])
    entries = open_source(data, tmp_path / "x").entries
    scenes = named_groups(entries, ScanConfig(group_by="/(.+)/").group_by)
    assert scenes[-1].count(COMPOSED) == 4


def test_a_class_is_found_in_whichever_form_it_is_asked_for():
    assert PlanConfig(classes=[DECOMPOSED]).classes == (COMPOSED,)
