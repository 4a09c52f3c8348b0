import shutil
import stat
import tarfile
import zipfile
from contextlib import nullcontext
from pathlib import Path

import pytest
from archive_files import (
    COMPRESSED,
    compressed,
    left_behind,
    listed,
    member,
    refused,
    tar_bytes,
    tar_of,
    zip_bytes,
    zip_listing,
    zip_of,
)

from augment.catalogue.sources import open_source
from terrabalance.errors import BadInput


@pytest.mark.parametrize("name", ["a.tar", "a.tgz", "a.tzst", *COMPRESSED])
def test_a_tar_of_a_wrapped_folder_is_unpacked_once(tmp_path, name):
    data = tar_of(tmp_path / name, member("AID/Pond/p.jpg"), member("AID/Park/q.jpg"))
    source = open_source(data, tmp_path / "x")
    assert listed(source) == [("Park/q.jpg", "Park", ""), ("Pond/p.jpg", "Pond", "")]
    before = (source.root / "Pond/p.jpg").stat().st_ino
    again = open_source(data, tmp_path / "x")
    assert again == source and (again.root / "Pond/p.jpg").stat().st_ino == before
    assert not [p for p in left_behind(tmp_path / "x") if p.name.startswith(".")]


def test_a_zip_with_windows_separators_and_a_mac_shadow_is_unpacked(tmp_path):
    members = {"AID\\Pond\\p.jpg": b"x", "AID\\Park\\q.jpg": b"x", "__MACOSX/AID/._p.jpg": b"x"}
    source = open_source(zip_of(tmp_path / "a.zip", members), tmp_path / "x")
    assert listed(source) == [("Park/q.jpg", "Park", ""), ("Pond/p.jpg", "Pond", "")]


def test_what_a_killed_extraction_left_is_no_obstacle(tmp_path):
    data = zip_of(tmp_path / "a.zip", {"Pond/p.jpg": b"x"})
    whole = open_source(data, tmp_path / "x").root
    part = whole.rename(whole.with_name(f".{whole.name}.part"))
    (part / "Pond/half.jpg").write_bytes(b"x")
    assert listed(open_source(data, tmp_path / "x")) == [("Pond/p.jpg", "Pond", "")]


@pytest.mark.parametrize("name", ["../evil.jpg", "/evil.jpg", "a/../../evil.jpg", "C:\\evil.jpg"])
def test_a_path_that_leaves_the_folder_is_refused(tmp_path, name):
    with pytest.raises(BadInput, match="leaves its folder"):
        open_source(zip_of(tmp_path / "a.zip", {"P/a.jpg": b"x", name: b"x"}), tmp_path / "x")
    with pytest.raises(BadInput, match="leaves its folder"):
        open_source(tar_of(tmp_path / "a.tar", member(name)), tmp_path / "x")
    assert not left_behind(tmp_path / "x") and not (tmp_path / "evil.jpg").exists()


def test_a_zip_with_a_password_is_refused_with_what_to_do(tmp_path):
    data = zip_of(tmp_path / "a.zip", {"Pond/p.jpg": b"x"})
    # Python writes no such zip. The flag is the first bit of two fields, by PKWARE's APPNOTE 4.4.4.
    content = bytearray(data.read_bytes())
    for header, place in (b"PK\x03\x04", 6), (b"PK\x01\x02", 8):
        content[content.index(header) + place] |= 1
    data.write_bytes(content)
    with pytest.raises(BadInput, match=r"p\.jpg' is encrypted\. Pack it without a password"):
        open_source(data, tmp_path / "x")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    data = tar_of(tmp_path / "a.tar", member("P/a.jpg"), member("P/b", 0, kind, "P/a.jpg"))
    with pytest.raises(BadInput, match="link or device"):
        open_source(data, tmp_path / "x")


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("P/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(BadInput, match="link or device"):
        open_source(tmp_path / "a.zip", tmp_path / "x")


def test_more_bytes_than_a_disk_has_are_refused_before_they_are_written(tmp_path):
    data = tmp_path / "a.tar"
    data.write_bytes(member("P/a.jpg", size=2**60).tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024)
    with pytest.raises(BadInput, match="free on the disk"):
        open_source(data, tmp_path / "x")
    assert not left_behind(tmp_path / "x")


def test_a_zip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("augment.catalogue.archives._BOMB_BYTES", 2**20)
    data = zip_of(tmp_path / "a.zip", {"P/a.tif": b"\0" * 2**24})
    with pytest.raises(BadInput, match="times its size"):
        open_source(data, tmp_path / "x")


@pytest.mark.parametrize("name", ["a.zip", "a.tar", *COMPRESSED])
def test_a_damaged_archive_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no archive at all")
    with pytest.raises(BadInput, match="cannot be unpacked"):
        open_source(tmp_path / name, tmp_path / "x")


@pytest.mark.parametrize(
    ("made", "name", "kind"),
    [
        ("zip", "a.tar", "a zip"), ("zip", "a.tar.gz", "a zip"), ("tar", "a.zip", "a tar"),
        ("gztar", "a.zip", "a tar"), ("xztar", "a.zip", "a tar"), ("bztar", "a.zip", "a tar"),
    ],
)  # fmt: skip
def test_an_archive_with_the_name_of_another_kind_is_told_what_it_is(tmp_path, made, name, kind):
    (tmp_path / "aid/Pond").mkdir(parents=True)
    (tmp_path / "aid/Pond/p.jpg").write_bytes(b"x")
    packed = shutil.make_archive(str(tmp_path / "packed"), made, tmp_path / "aid")
    data = Path(packed).rename(tmp_path / name)
    with pytest.raises(BadInput, match=f"{name}: is {kind} .*by its content"):
        open_source(data, tmp_path / "x")
    assert not left_behind(tmp_path / "x")


def of_v7(data: bytes) -> bytes:
    """Return a tar of one small file as the tar of Unix 7 wrote it: without a magic."""
    header = bytearray(data[: tarfile.BLOCKSIZE])
    header[257:345] = bytes(88)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data[tarfile.BLOCKSIZE :]


def test_an_old_tar_is_read_and_known_under_another_name(tmp_path):
    data = of_v7(tar_bytes(member("P/a.jpg"), form=tarfile.USTAR_FORMAT))
    said = refused(tmp_path / "a.zip", data, tmp_path / "x")
    assert "is a tar (.tar, or .tar.gz and the like) by its content" in said
    (tmp_path / "a.tar").write_bytes(data)
    assert listed(open_source(tmp_path / "a.tar", tmp_path / "x")) == [("P/a.jpg", "P", "")]


@pytest.mark.parametrize("name", COMPRESSED)
@pytest.mark.parametrize("content", [b"\x89PNG" + bytes(3000), zip_bytes({"P/a.jpg": b"x"})])
def test_a_compressed_file_that_is_no_tar_is_told_to_be_one(tmp_path, name, content):
    for given in (name, "a.zip"):
        said = refused(tmp_path / given, compressed(name, content), tmp_path / "x")
        assert "is one compressed file by its content, not a" in said
        assert "Unpack it yourself and give the folder" in said


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_tar_whose_first_header_is_damaged_is_not_taken_for_something_else(tmp_path, name):
    data = bytearray(tar_bytes(member("P/a.jpg")))
    data[0] ^= 1
    said = refused(tmp_path / name, compressed(name, bytes(data)), tmp_path / "x")
    assert "cannot be unpacked (bad checksum)" in said


def test_a_rar_is_to_be_unpacked_and_not_to_be_named_so(tmp_path):
    said = refused(tmp_path / "a.zip", b"Rar!\x1a\x07\x01" + bytes(3000), tmp_path / "x")
    assert "is a rar by its content" in said and "Unpack it yourself and give the folder" in said


def test_an_archive_that_is_cut_short_leaves_nothing(tmp_path):
    data = tar_of(tmp_path / "a.tar.gz", *(member(f"P/{i}.jpg", 5000) for i in range(50)))
    data.write_bytes(data.read_bytes()[:-20])
    with pytest.raises(BadInput, match="cannot be unpacked"):
        open_source(data, tmp_path / "x")
    assert not left_behind(tmp_path / "x")


@pytest.mark.parametrize(
    "names, words",
    [
        (["A/a.jpg", "A/a.jpg"], "'A/a.jpg' twice"),
        (["A/a.jpg", "A/./a.jpg"], "'A/./a.jpg' twice"),
        (["A/a", "A/a/b.jpg"], "'A/a/b.jpg' twice, or a folder and a file"),
        (["A/a/b.jpg", "A/a"], "'A/a' twice, or a folder and a file"),
        (["A/a.jpg", ""], "without a name"),
        (["A/a.jpg", f"A/{'n' * 300}.jpg"], "no file can be called here"),
        (["A/a.jpg", "A/" * 3000 + "b.jpg"], "more than 100 folders"),
    ],
)
def test_a_name_that_cannot_be_a_file_is_told_in_one_sentence(tmp_path, names, words):
    said = refused(tmp_path / "a.tar", tar_bytes(*map(member, names)), tmp_path / "x")
    assert words in said and len(said) < len(str(tmp_path)) + 400
    with pytest.warns(UserWarning) if len(set(names)) < 2 else nullcontext():
        data = zip_listing(names)
    assert words in refused(tmp_path / "a.zip", data, tmp_path / "x")


def test_names_that_are_no_text_are_refused(tmp_path):
    zipped = zip_bytes({"A/aXb.jpg": b"x"}).replace(b"aXb", b"a\0b")
    assert "not text" in refused(tmp_path / "a.zip", zipped, tmp_path / "x")
    tarred = tar_bytes(member("A/a\udcffb.jpg"), form=tarfile.GNU_FORMAT)
    assert "not text" in refused(tmp_path / "a.tar", tarred, tmp_path / "x")
