import io
import shutil
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path

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


def zip_of_bytes(names: list[bytes], extra: bytes = b"") -> bytes:
    """Return a zip whose list holds these bytes as names, without a flag of their encoding."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for place, name in enumerate(names):
            info = zipfile.ZipInfo(f"{place}".rjust(len(name), "x"))
            info.extra = extra
            archive.writestr(info, b"" if name[-1:] in b"/\\" else b"%d" % place)
    data = made.getvalue()
    for place, name in enumerate(names):
        data = data.replace(f"{place}".rjust(len(name), "x").encode(), name)
    return data


def unicode_path(stored: bytes, name: str) -> bytes:
    held = struct.pack("<BL", 1, zlib.crc32(stored)) + name.encode()
    return struct.pack("<HH", 0x7075, len(held)) + held


def classes_of(tmp_path: Path, data: bytes) -> set[str]:
    (tmp_path / "a.zip").write_bytes(data)
    source = open_source(tmp_path / "a.zip", tmp_path / "x")
    return {entry.class_name for entry in source.entries}


@pytest.mark.skipif(not shutil.which("zip"), reason="no zip of Info-ZIP here")
@pytest.mark.parametrize("name", ["Küste", "森林", "Łąka"])
def test_a_zip_of_linux_has_the_classes_of_its_folders(tmp_path, name, caplog):
    for folder in (name, "Wald"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        (tmp_path / "data" / folder / "a.jpg").write_bytes(folder.encode())
    subprocess.run(["zip", "-qr", tmp_path / "z.zip", "."], cwd=tmp_path / "data", check=True)
    assert classes_of(tmp_path, (tmp_path / "z.zip").read_bytes()) == {name, "Wald"}
    assert not caplog.text


def test_names_in_utf_8_need_no_flag(tmp_path, caplog):  # as Finder and ditto of macOS write them
    names = [f"{name}/aa.jpg".encode() for name in ("Küste", "Wald")]
    assert classes_of(tmp_path, zip_of_bytes(names)) == {"Küste", "Wald"}
    assert not caplog.text


@pytest.mark.parametrize("crc_of", [b"K?ste/aa.jpg", b"another name"])
def test_a_unicode_path_counts_only_for_the_name_that_it_was_written_for(tmp_path, crc_of):
    stored = b"K?ste/aa.jpg"
    field = struct.pack("<HH", 0x5455, 1) + b"\0" + unicode_path(crc_of, "Küste/aa.jpg")
    found = classes_of(tmp_path, zip_of_bytes([stored], field))
    assert found == {"Küste" if crc_of == stored else "K?ste"}


def test_a_guessed_encoding_of_names_is_told(tmp_path, caplog):
    assert classes_of(tmp_path, zip_of_bytes(["Küste/aa.jpg".encode("cp437")])) == {"Küste"}
    assert "'Küste/aa.jpg'" in caplog.text and "in which encoding 1 of its names" in caplog.text


def test_folders_and_files_may_be_written_with_backslashes(tmp_path):  # as .NET has done
    names = [b"Wald\\", b"Wald\\aa.jpg", b"Wald\\bb.jpg"]
    assert classes_of(tmp_path, zip_of_bytes(names)) == {"Wald"}
