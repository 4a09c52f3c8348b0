import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from augment.catalogue.sources import open_source
from terrabalance.errors import BadInput


def left_behind(folder: Path) -> list[Path]:
    """Return what is in a folder, but for the lock of the one who unpacks."""
    return [path for path in folder.iterdir() if path.suffix != ".lock"]


def put(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


def listed(source):
    return [(entry.path, entry.class_name, entry.split) for entry in source.entries]


def test_a_folder_lists_its_classes_in_natural_order_at_any_depth(tmp_path):
    put(tmp_path, "Pond/p_10.jpg", "Pond/p_9.jpg", "Bare land/2019/a.tif")
    assert listed(open_source(tmp_path, tmp_path / "x")) == [
        ("Bare land/2019/a.tif", "Bare land", ""),
        ("Pond/p_9.jpg", "Pond", ""),
        ("Pond/p_10.jpg", "Pond", ""),
    ]


def test_hidden_files_and_the_shadow_of_a_mac_are_skipped(tmp_path):
    put(tmp_path, "Pond/a.jpg", "Pond/.a.jpg", ".git/x", "__MACOSX/Pond/a.jpg", "Pond/.t/b.jpg")
    assert listed(open_source(tmp_path, tmp_path / "x")) == [("Pond/a.jpg", "Pond", "")]


def test_a_readme_beside_the_classes_is_no_image_and_a_stray_image_is_listed(tmp_path):
    put(tmp_path, "Pond/a.png", "Pond/notes.txt", "README.md", "LICENCE", "stray.TIF")
    found = listed(open_source(tmp_path, tmp_path / "x"))
    assert [path for path, _, _ in found] == ["Pond/a.png", "Pond/notes.txt", "stray.TIF"]


def test_train_val_test_folders_are_an_honoured_split(tmp_path):
    put(tmp_path, "train/Pond/a.jpg", "Validation/Pond/b.jpg", "test/Park/sub/c.jpg", "train/d.jpg")
    assert sorted(listed(open_source(tmp_path, tmp_path / "x"))) == [
        ("Validation/Pond/b.jpg", "Pond", "val"),
        ("test/Park/sub/c.jpg", "Park", "test"),
        ("train/Pond/a.jpg", "Pond", "train"),
        ("train/d.jpg", "", "train"),
    ]


def test_a_class_may_be_named_train(tmp_path):
    put(tmp_path, "train/a.jpg", "plane/b.jpg")
    assert {e.class_name for e in open_source(tmp_path, tmp_path).entries} == {"train", "plane"}


def test_a_folder_without_classes_is_refused(tmp_path):
    put(tmp_path, "readme.md")
    with pytest.raises(BadInput, match=r"no subfolders\. Put each class"):
        open_source(tmp_path, tmp_path / "x")


def test_the_folder_of_a_single_class_is_refused_with_the_one_above(tmp_path):
    put(tmp_path, "a.jpg", "b.tif", "readme.md")
    with pytest.raises(BadInput, match=r"images \(2\).*give the one above"):
        open_source(tmp_path, tmp_path / "x")


def test_a_name_that_is_not_text_is_refused_with_the_name(tmp_path):
    put(tmp_path, "Pond/a.jpg")
    name = os.fsencode(tmp_path) + b"/Pond/\xff.jpg"
    Path(os.fsdecode(name)).write_bytes(b"x")
    with pytest.raises(BadInput, match="not text"):
        open_source(tmp_path, tmp_path / "x")


def test_links_to_nothing_and_to_folders_are_skipped(tmp_path):
    put(tmp_path, "Pond/a.jpg")
    (tmp_path / "Pond" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "Pond" / "loop").symlink_to(tmp_path)
    assert listed(open_source(tmp_path, tmp_path / "x")) == [("Pond/a.jpg", "Pond", "")]


@pytest.mark.parametrize("name", ["missing", "a.txt"])
def test_what_is_no_data_is_refused(tmp_path, name):
    put(tmp_path, "a.txt")
    with pytest.raises(BadInput, match=name):
        open_source(tmp_path / name, tmp_path / "x")


def zip_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tar_of(path: Path, *infos: tarfile.TarInfo) -> Path:
    mode = {"gz": "w:gz", "xz": "w:xz", "bz2": "w:bz2", "tgz": "w:gz", "tar": "w"}
    with tarfile.open(path, mode[path.name.rsplit(".", 1)[1]]) as archive:
        for info in infos:
            archive.addfile(info, io.BytesIO(b"x" * info.size))
    return path


def member(name: str, size: int = 1, kind: bytes = tarfile.REGTYPE, link: str = ""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.tar.xz", "a.tar.bz2"])
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
    whole.rename(whole.with_name(f".{whole.name}.part"))
    put(whole.with_name(f".{whole.name}.part"), "Pond/half.jpg")
    assert listed(open_source(data, tmp_path / "x")) == [("Pond/p.jpg", "Pond", "")]


@pytest.mark.parametrize("name", ["../evil.jpg", "/evil.jpg", "a/../../evil.jpg", "C:\\evil.jpg"])
def test_a_path_that_leaves_the_folder_is_refused(tmp_path, name):
    with pytest.raises(BadInput, match="leaves its folder"):
        open_source(zip_of(tmp_path / "a.zip", {"P/a.jpg": b"x", name: b"x"}), tmp_path / "x")
    with pytest.raises(BadInput, match="leaves its folder"):
        open_source(tar_of(tmp_path / "a.tar", member(name)), tmp_path / "x")
    assert not left_behind(tmp_path / "x") and not (tmp_path / "evil.jpg").exists()


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


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar.xz"])
def test_a_damaged_archive_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no archive at all")
    with pytest.raises(BadInput, match="cannot be unpacked"):
        open_source(tmp_path / name, tmp_path / "x")


def test_an_archive_that_is_cut_short_leaves_nothing(tmp_path):
    data = tar_of(tmp_path / "a.tar.gz", *(member(f"P/{i}.jpg", 5000) for i in range(50)))
    data.write_bytes(data.read_bytes()[:-20])
    with pytest.raises(BadInput, match="cannot be unpacked"):
        open_source(data, tmp_path / "x")
    assert not left_behind(tmp_path / "x")


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_csv_beside_its_images_names_class_and_split(tmp_path):
    put(tmp_path, "a_10.jpg", "a_9.jpg", "c.jpg")
    lines = "path,class,split", "a_10.jpg,NA,valid", "a_9.jpg,Pond,Train", "c.jpg,Pond,oracle"
    assert listed(open_source(table(tmp_path / "t.csv", *lines), tmp_path / "x")) == [
        ("a_9.jpg", "Pond", "train"),
        ("a_10.jpg", "NA", "val"),
        ("c.jpg", "Pond", "oracle"),
    ]


def test_csv_paths_are_found_in_the_one_subfolder_that_has_them(tmp_path):
    put(tmp_path, "aid/Pond/a.jpg", "other/b.jpg")
    source = open_source(table(tmp_path / "t.csv", "path,class", "Pond/a.jpg,Pond"), tmp_path / "x")
    assert source.root == tmp_path / "aid" and listed(source) == [("Pond/a.jpg", "Pond", "")]


def test_where_two_subfolders_or_none_have_the_images_the_user_is_asked(tmp_path):
    put(tmp_path, "one/a.jpg", "two/a.jpg")
    data = table(tmp_path / "t.csv", "path,class", "a.jpg,Pond")
    with pytest.raises(BadInput, match=r"more than one folder.*--images"):
        open_source(data, tmp_path / "x")
    assert open_source(data, tmp_path / "x", tmp_path / "two").root == tmp_path / "two"
    with pytest.raises(BadInput, match=r"no folder has.*--images"):
        open_source(table(tmp_path / "u.csv", "path,class", "z.jpg,Pond"), tmp_path / "x")


def test_all_bad_rows_are_reported_together(tmp_path):
    put(tmp_path, "a.jpg")
    lines = "path,class", "a.jpg,Pond", "./a.jpg,Pond", "../b.jpg,Pond", "c.jpg,", "d.jpg,Pond"
    with pytest.raises(BadInput) as caught:
        open_source(table(tmp_path / "t.csv", *lines), tmp_path / "x")
    for words in ("line 3: 'a.jpg' is on line 2", "line 4: '../b.jpg' leaves", "line 5: 'c.jpg' ha",
                  "line 6: 'd.jpg' is not there"):  # fmt: skip
        assert words in str(caught.value)


def test_where_listed_images_are_missing_the_guessed_folder_and_its_option_are_named(tmp_path):
    put(tmp_path, "aid/a.jpg")
    lines = "path,class", "a.jpg,Pond", *(f"{n}.jpg,Pond" for n in range(30))
    with pytest.raises(BadInput, match="--images FOLDER") as caught:
        open_source(table(tmp_path / "t.csv", *lines), tmp_path / "x")
    assert str(caught.value).count(str(tmp_path / "aid")) == 1


def test_a_csv_without_its_columns_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"lacks the columns \['class'\]"):
        open_source(table(tmp_path / "t.csv", "path,label", "a.jpg,Pond"), tmp_path / "x")


def test_images_without_a_csv_is_refused(tmp_path):
    with pytest.raises(BadInput, match="--images goes with a CSV"):
        open_source(put(tmp_path, "Pond/a.jpg"), tmp_path / "x", tmp_path)


def test_the_long_tailed_protocol_finds_its_images(aid, tmp_path):
    source = open_source(aid / "aid-lt10.csv", tmp_path)
    splits = [entry.split for entry in source.entries]
    assert source.root == aid / "aid" and len(splits) == 7096
    assert {name: splits.count(name) for name in set(splits)} == {
        "train": 1165, "val": 1006, "test": 1536, "oracle": 1775, "unused": 1614,
    }  # fmt: skip
