import os
import shutil

import pytest
from archive_files import left_behind, listed, zip_of

from augment.catalogue.sources import open_source

MEMBERS = {"Pond/a.jpg": b"first", "Pond/b.jpg": b"second", "Park/c.jpg": b"third"}
ALL = [("Park/c.jpg", "Park", ""), ("Pond/a.jpg", "Pond", ""), ("Pond/b.jpg", "Pond", "")]


@pytest.fixture
def archive(tmp_path):
    return zip_of(tmp_path / "a.zip", MEMBERS)


def contents(source):
    return {entry.path: (source.root / entry.path).read_bytes() for entry in source.entries}


def lose(root):
    (root / "Pond/a.jpg").unlink()


def lose_a_folder(root):
    shutil.rmtree(root / "Park")


def gain(root):
    (root / "Pond/new.jpg").write_bytes(b"somebody's")


def shorten(root):
    (root / "Pond/a.jpg").write_bytes(b"")


def edit_in_place(root):
    (root / "Pond/a.jpg").write_bytes(b"FIRST")


@pytest.mark.parametrize("change", [lose, lose_a_folder, gain, shorten, edit_in_place])
def test_what_was_changed_since_it_was_unpacked_is_unpacked_anew(tmp_path, archive, change, caplog):
    change(open_source(archive, tmp_path / "x").root)
    caplog.clear()
    again = open_source(archive, tmp_path / "x")
    assert listed(again) == ALL and contents(again) == MEMBERS
    assert f"{archive}: files in {again.root} are gone, changed or added" in caplog.text
    caplog.clear()
    assert contents(open_source(archive, tmp_path / "x")) == MEMBERS and not caplog.text


@pytest.mark.parametrize("change, path", [(gain, "Pond/new.jpg"), (edit_in_place, "Pond/a.jpg")])
def test_what_somebody_put_among_unpacked_files_is_kept_and_the_log_says_where(
    tmp_path, archive, change, path, caplog
):
    root = open_source(archive, tmp_path / "x").root
    change(root)
    written = (root / path).read_bytes()
    open_source(archive, tmp_path / "x")
    (kept,) = (tmp_path / "x").glob("*-changed-*")
    assert (kept / path).read_bytes() == written and str(kept) in caplog.text


def test_files_that_were_lost_leave_no_second_copy(tmp_path, archive):
    lose(open_source(archive, tmp_path / "x").root)
    open_source(archive, tmp_path / "x")
    assert len([path for path in left_behind(tmp_path / "x") if path.is_dir()]) == 1


def test_the_same_files_stay_where_nothing_was_noted_of_them(tmp_path, archive):
    """An older version noted nothing, and results are found again by the times of the files."""
    root = open_source(archive, tmp_path / "x").root
    root.with_name(f"{root.name}.json").unlink()
    os.utime(root / "Pond/a.jpg", ns=(10**18, 10**18))
    before = (root / "Pond/a.jpg").stat()
    again = open_source(archive, tmp_path / "x")
    after = (again.root / "Pond/a.jpg").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert listed(again) == ALL


@pytest.mark.parametrize("note", [b"", b"[]", b"\xff", b'{"n_files": 3}'])
def test_a_damaged_note_is_no_obstacle(tmp_path, archive, note):
    root = open_source(archive, tmp_path / "x").root
    root.with_name(f"{root.name}.json").write_bytes(note)
    assert contents(open_source(archive, tmp_path / "x")) == MEMBERS


def test_unpacked_again_files_have_the_same_times(tmp_path, archive):
    root = open_source(archive, tmp_path / "x").root
    before = (root / "Pond/a.jpg").stat().st_mtime_ns
    shutil.rmtree(tmp_path / "x")
    again = open_source(archive, tmp_path / "x").root
    assert (again / "Pond/a.jpg").stat().st_mtime_ns == before == archive.stat().st_mtime_ns


def test_hidden_files_that_a_file_manager_leaves_change_nothing(tmp_path, archive, caplog):
    root = open_source(archive, tmp_path / "x").root
    (root / ".DS_Store").write_bytes(b"x")
    before = (root / "Pond/a.jpg").stat().st_ino
    again = open_source(archive, tmp_path / "x").root
    assert (again / "Pond/a.jpg").stat().st_ino == before and not caplog.text
