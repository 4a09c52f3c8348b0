import zipfile

import pytest
from archive_files import refused, zip_bytes

from augment.catalogue.sources import open_source

PAIR = {"A/a.jpg": b"one" * 30, "B/b.jpg": b"two" * 30}


def test_a_zip_without_its_end_is_refused(tmp_path):
    refused(tmp_path / "a.zip", zip_bytes(PAIR)[:-30], tmp_path / "x")


@pytest.mark.parametrize("was, now", [(b"one" * 30, b"0ne" * 30), (b"A/a.jpg", b"A/z.jpg")])
def test_a_zip_whose_content_or_name_is_damaged_is_refused(tmp_path, was, now):
    data = zip_bytes(PAIR).replace(was, now, 1)
    assert "A/a.jpg" in refused(tmp_path / "a.zip", data, tmp_path / "x")


def test_a_zip_behind_another_is_not_taken_for_all(tmp_path):
    other = zip_bytes({"A/z.jpg": b"x"})
    assert "several zips" in refused(tmp_path / "a.zip", other + zip_bytes(PAIR), tmp_path / "x")


def test_a_zip_whose_list_passes_over_a_file_is_refused(tmp_path):
    data = bytearray(zip_bytes({**PAIR, "B/c.jpg": b"x"}))
    first = data.index(b"PK\1\2")
    data[first + 32] = data.index(b"PK\1\2", first + 1) - first  # the next entry is its comment
    assert "more than the list" in refused(tmp_path / "a.zip", bytes(data), tmp_path / "x")


def test_a_zip_of_files_that_overlap_is_refused(tmp_path):
    data = bytearray(zip_bytes(PAIR))
    second = data.rindex(b"PK\1\2")
    data[second + 42 : second + 46] = b"\0" * 4  # it begins where the first begins
    assert "reaches into" in refused(tmp_path / "a.zip", bytes(data), tmp_path / "x")


def test_a_zip_behind_a_program_is_unpacked(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"#!/bin/sh\nexit\n" + zip_bytes(PAIR, zipfile.ZIP_DEFLATED))
    assert len(open_source(tmp_path / "a.zip", tmp_path / "x").entries) == 2


def test_a_folder_that_holds_bytes_is_refused(tmp_path):
    data = zip_bytes({"A/foox": b"an image"}).replace(b"A/foox", b"A/foo/")
    assert "folder with content" in refused(tmp_path / "a.zip", data, tmp_path / "x")
