import os

import pytest
from archive_files import member, tar_of, zip_of

from augment.catalogue.sources import open_source
from terrabalance.errors import BadInput


@pytest.mark.parametrize("name", ["missing", "a.txt"])
def test_what_is_no_data_is_refused(tmp_path, name):
    (tmp_path / "a.txt").write_bytes(b"x")
    with pytest.raises(BadInput, match=name):
        open_source(tmp_path / name, tmp_path / "x")


def test_images_without_a_csv_is_refused(tmp_path):
    with pytest.raises(BadInput, match="--images goes with a CSV"):
        open_source(tmp_path, tmp_path / "x", tmp_path)


@pytest.mark.parametrize("name", ["list.csv", "data.zip", "data.tar.gz", "folder"])
def test_a_pipe_is_no_data_whatever_its_name(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(BadInput, match="neither a folder nor a regular file"):
        open_source(tmp_path / name, tmp_path / "x")


REFUSED = [
    ({"readme.md": b"x"}, "no subfolders. Put each class"),
    ({"a.jpg": b"x", "b.jpg": b"x"}, "no subfolders but images (2). Put each class"),
    ({".../a.jpg": b"x", ".../b.jpg": b"x"}, "no subfolders but '.../', which are passed over"),
    ({"train/a.jpg": b"x", "test/a.jpg": b"x"}, "test, train are parts of a split"),
    ({f"{s}/{c}/1.jpg": b"x" for s in "AB" for c in ("Fen", "Bog")}, "A, B hold folders (Bog, F"),
]


@pytest.mark.parametrize("members, words", REFUSED)
def test_an_archive_is_refused_by_its_own_name_and_mended_in_a_folder_of_the_user(
    tmp_path, members, words
):
    for archive in (
        zip_of(tmp_path / "a.zip", members),
        tar_of(tmp_path / "a.tar", *map(member, members)),
    ):
        with pytest.raises(BadInput) as caught:
            open_source(archive, tmp_path / "x")
        said = str(caught.value)
        assert said.startswith(f"{archive}: {words}") and str(tmp_path / "x") not in said
        assert said.endswith("Unpack the archive to do so, and give the unpacked folder instead.")


@pytest.mark.parametrize("members, words", REFUSED)
def test_the_same_in_a_folder_is_mended_in_that_folder(tmp_path, members, words):
    for name in members:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(BadInput) as caught:
        open_source(tmp_path, tmp_path / "x")
    assert str(caught.value).startswith(f"{tmp_path}: {words.split('. ')[0]}")
    assert "Unpack" not in str(caught.value)
