import os
from pathlib import Path

import pytest

from augment.catalogue.sources import open_source
from terrabalance.errors import BadInput


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


def test_hidden_folders_and_images_are_named_once_as_passed_over(tmp_path, caplog):
    put(tmp_path, "Pond/a.jpg", ".../a.png", "..a/sub/b.png", "Pond/.c.jpg", ".git/config")
    put(tmp_path, "Pond/._a.jpg", "__MACOSX/Pond/._a.jpg", ".DS_Store")  # as a Mac adds to a zip
    assert listed(open_source(tmp_path, tmp_path / "x")) == [("Pond/a.jpg", "Pond", "")]
    (said,) = caplog.messages
    assert said.startswith(
        f"{tmp_path}: passed over with the images in it, as its name begins with"
    )
    assert "'.../', '..a/', 'Pond/.c.jpg'. Rename" in said


def test_hidden_folders_without_images_are_passed_over_in_silence(tmp_path, caplog):
    put(tmp_path, "Pond/a.jpg", ".git/config", ".idea/x.xml", "Pond/.directory")
    open_source(tmp_path, tmp_path / "x")
    assert not caplog.messages


def test_where_all_class_folders_are_hidden_that_is_said(tmp_path):
    put(tmp_path, ".../a.png", "..a/b.png", ".git/config")
    with pytest.raises(
        BadInput, match=r"no subfolders but '\.\.\./', '\.\.a/', which.*Rename these"
    ):
        open_source(tmp_path, tmp_path / "x")


def test_a_readme_beside_the_classes_is_no_image_and_a_stray_image_is_listed(tmp_path):
    put(tmp_path, "Pond/a.png", "Pond/notes.txt", "README.md", "LICENCE", "stray.TIF")
    found = listed(open_source(tmp_path, tmp_path / "x"))
    assert [path for path, _, _ in found] == ["Pond/a.png", "Pond/notes.txt", "stray.TIF"]


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


def test_a_link_to_nothing_is_listed_and_one_to_a_folder_is_skipped(tmp_path):
    put(tmp_path, "Pond/a.jpg")
    (tmp_path / "Pond" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "Pond" / "itself.jpg").symlink_to("itself.jpg")
    (tmp_path / "Pond" / "loop").symlink_to(tmp_path)
    found = listed(open_source(tmp_path, tmp_path / "x"))
    assert [path for path, _, _ in found] == ["Pond/a.jpg", "Pond/gone.jpg", "Pond/itself.jpg"]


def test_links_that_may_have_been_classes_are_told_with_what_to_do(tmp_path, caplog):
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    put(data, "Pond/a.jpg", "readme.txt")
    put(elsewhere, "1.jpg")
    for name in ("Park", "River", "Pond/more"):
        (data / name).symlink_to(elsewhere)
    (data / "Beach").symlink_to(tmp_path / "nowhere")
    (data / "overview.jpg").symlink_to(tmp_path / "nowhere")  # an image that is left out
    open_source(data, tmp_path / "x")
    folders, nothing = caplog.messages
    assert f"{data}: links to folders are not followed" in folders
    assert ": 'Park', 'Pond/more', 'River'. Copy" in folders
    assert "CSV with the columns path and class" in folders and "--images" in folders
    assert nothing == f"{data}: links to nothing: 'Beach'. Mend or remove them."


def test_the_way_out_of_links_to_folders_is_one(tmp_path):
    put(tmp_path, "data/Pond/a.jpg", "elsewhere/1.jpg")
    (tmp_path / "list.csv").write_text("path,class\ndata/Pond/a.jpg,Pond\nelsewhere/1.jpg,Park\n")
    source = open_source(tmp_path / "list.csv", tmp_path / "x", images=tmp_path)
    assert {entry.class_name for entry in source.entries} == {"Pond", "Park"}


def test_files_that_belong_to_an_image_are_not_listed(tmp_path):
    put(tmp_path, "Pond/a.tif", "Pond/a.tif.aux.xml", "Pond/a.tfw", "Pond/a.tif.ovr", "Pond/a.hdr")
    put(tmp_path, "Pond/a.tif.msk", "Pond/a.prj", "Pond/notes.txt")
    found = listed(open_source(tmp_path, tmp_path / "x"))
    assert [path for path, _, _ in found] == ["Pond/a.tif", "Pond/notes.txt"]


@pytest.mark.parametrize("name", ["Fels.zip", "Fels.TAR.GZ", "Fels.7z"])
def test_an_archive_beside_the_class_folders_is_told(tmp_path, name, caplog):
    put(tmp_path, "Pond/a.jpg", "Park/a.jpg", name, "readme.txt")
    assert {path for path, _, _ in listed(open_source(tmp_path, tmp_path / "x"))} == {
        "Pond/a.jpg",
        "Park/a.jpg",
    }
    assert f"archives beside the class folders are not looked into: '{name}'" in caplog.text
    assert "readme" not in caplog.text
