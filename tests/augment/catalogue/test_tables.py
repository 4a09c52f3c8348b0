import os
from pathlib import Path

import pandas as pd
import pytest

from augment.catalogue.sources import open_source
from terrabalance.errors import BadInput
from terrabalance.manifest import Manifest, frame_of, write_manifest


def put(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


def listed(source):
    return [(entry.path, entry.class_name, entry.split) for entry in source.entries]


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


@pytest.mark.parametrize(
    "name, part",
    [("Training", "train"), ("dev", "val"), ("EVAL", "test"), ("test2", "test2"), ("oracle",) * 2],
)
def test_parts_in_a_csv_are_known_by_their_usual_names(tmp_path, name, part):
    put(tmp_path, "a.jpg")
    data = table(tmp_path / "t.csv", "path,class,split", f"a.jpg,Pond,{name}")
    assert listed(open_source(data, tmp_path / "x")) == [("a.jpg", "Pond", part)]


def test_a_csv_may_name_the_group_of_an_image(tmp_path):
    put(tmp_path, "a.jpg", "b.jpg")
    lines = "path,class,Group", "a.jpg,Pond, scene 1 ", "b.jpg,Pond,"
    source = open_source(table(tmp_path / "t.csv", *lines), tmp_path / "x")
    assert [entry.group for entry in source.entries] == ["scene 1", ""]


def test_a_group_that_is_missing_is_none_in_the_words_of_r_pandas_and_databases(tmp_path, caplog):
    put(tmp_path, *(f"{n}.jpg" for n in range(9)))
    frame = pd.DataFrame({"path": [f"{n}.jpg" for n in range(9)], "class": "Pond"})
    frame["group"] = ["NA", "N/A", None, "nan", "NULL", "None", "null", "", "Nam"]
    frame.to_csv(tmp_path / "t.csv", index=False, na_rep="NaN")
    source = open_source(tmp_path / "t.csv", tmp_path / "x")
    assert [entry.group for entry in source.entries] == [""] * 8 + ["Nam"]
    (said,) = caplog.messages
    assert "'NULL', 'NaN', 'None'" in said and "(7 images)" in said


def test_the_label_of_images_that_a_clustering_puts_in_no_group_is_no_scene(tmp_path, caplog):
    put(tmp_path, *(f"{n}.jpg" for n in range(4)))
    frame = pd.DataFrame({"path": [f"{n}.jpg" for n in range(4)], "class": "Pond"})
    frame["group"] = pd.factorize(pd.Series(["north", None, None, "south"]))[0]
    frame.to_csv(tmp_path / "t.csv", index=False)
    source = open_source(tmp_path / "t.csv", tmp_path / "x")
    assert [entry.group for entry in source.entries] == ["0", "", "", "1"]
    assert "'-1' is taken as no group (2 images)" in caplog.text


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


@pytest.mark.parametrize(
    "line, words",
    [
        ("a\0.jpg,Pond", "line 3: holds a NUL"),
        ("c.jpg,Po\0nd", "line 3: holds a NUL"),
        ("c.jpg," + "P" * 300, "line 3: 'c.jpg' has a class of 300 characters; 255 are the most"),
        ("b/" * 5000 + "b.jpg,Pond", "line 3: 'b/b/"),
        (f"{'b' * 300}.jpg,Pond", "line 3: 'bbb"),
        (f"{'1' * 5000}.jpg,Pond", "line 3: '111"),
        ("fifo.jpg,Pond", "line 3: 'fifo.jpg' is not there, or no file"),
        ("a.jpg,Pond,,more", "line 3 has 4 fields"),
        ('"a.jpg,Pond', "line 3: a double quote opens a field here, and none closes it"),
        ('"a"b.jpg,Pond', "line 3: the double quotes of what begins here are wrong"),
        ("x" * 2**20, "line 3 has more than"),
        ("x" * 200_000, "line 3: a field that begins here has more than 131072 characters"),
        (
            '"a.jpg,Pond\n' + "b.jpg,Pond\n" * 15_000,
            "line 3: a field that begins here has more than",
        ),
        ("\udcff.jpg,Pond", "line 3 is not in UTF-8: character 1 is the byte 0xff"),
        ("a.jpg,caf\udce9", "line 3 is not in UTF-8: character 10 is the byte 0xe9"),
        (
            "C:\\data\\b.jpg,Pond",
            "line 3: 'C:\\\\data\\\\b.jpg' is an absolute path; list what follows",
        ),
        (
            "A\\b.jpg,Pond",
            "line 3: 'A\\\\b.jpg' is not there, or no file (write / between folders)",
        ),
    ],
)
def test_a_line_that_cannot_be_used_is_told_by_its_number(tmp_path, line, words):
    put(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "fifo.jpg")
    text = f"path,class,split\na.jpg,Pond,train\n{line}\n"
    (tmp_path / "t.csv").write_text(text, errors="surrogateescape")
    with pytest.raises(BadInput) as caught:
        open_source(tmp_path / "t.csv", tmp_path / "x")
    assert words in str(caught.value) and len(str(caught.value)) < 700


def test_the_line_that_is_in_another_encoding_is_told_however_far_down_it_is(tmp_path):
    put(tmp_path, "a.jpg")
    lines = ["path,class", *(f"{number}.jpg,Pond" for number in range(2000)), "café.jpg,Pond"]
    (tmp_path / "t.csv").write_bytes("\r\n".join(lines).encode("cp1252"))
    said = r"line 2002 is not in UTF-8: character 4 is the byte 0xe9.*save it as UTF-8"
    with pytest.raises(BadInput, match=said):
        open_source(tmp_path / "t.csv", tmp_path / "x")
    (tmp_path / "t.csv").write_text("path,class\na.jpg,Pond\n", encoding="utf-16")
    with pytest.raises(BadInput, match="line 1 is not in UTF-8"):
        open_source(tmp_path / "t.csv", tmp_path / "x")


@pytest.mark.parametrize(
    "mark, called", [(";", "semicolons"), ("\t", "tabs"), ("; ", "semicolons"), ("|", "bars")]
)
def test_fields_that_no_commas_part_are_told_with_what_parts_them(tmp_path, mark, called):
    put(tmp_path, "a.jpg")
    lines = [mark.join(fields) for fields in (("path", "class", "split"), ("a.jpg", "Pond", ""))]
    with pytest.raises(BadInput, match=f"parted by {called}. Save it with commas"):
        open_source(table(tmp_path / "t.csv", *lines), tmp_path / "x")


def test_an_absolute_path_is_called_that_also_below_the_folder_of_the_images(tmp_path):
    put(tmp_path, "a.jpg")
    data = table(tmp_path / "t.csv", "path,class", "a.jpg,Pond", f"{tmp_path}/a.jpg,Pond")
    with pytest.raises(BadInput, match=r"line 3: '.*/a.jpg' is an absolute path") as caught:
        open_source(data, tmp_path / "x", tmp_path)
    assert "leaves" not in str(caught.value)


def test_an_empty_csv_is_told_what_its_first_line_names(tmp_path):
    with pytest.raises(BadInput, match=r"first line is empty\. It must name path, class"):
        open_source(table(tmp_path / "t.csv"), tmp_path / "x")


def test_words_that_name_no_part_are_told_with_their_number(tmp_path, caplog):
    put(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")
    lines = "a.jpg,Pond,trian", "b.jpg,Pond,trian", "c.jpg,Pond,vali", "d.jpg,Pond,oracle"
    data = table(tmp_path / "t.csv", "path,class,split", *lines, "e.jpg,Pond,Training")
    open_source(data, tmp_path / "x")
    said = f"{data}: in the column split, 'trian' (2), 'vali' (1) are neither train, val nor test"
    assert said in caplog.text and "oracle" not in caplog.text


@pytest.mark.parametrize(
    "name, meant", [("splits", "split"), ("spilt", "split"), ("groups", "group")]
)
def test_a_column_that_is_nearly_called_as_one_that_is_read_is_told(tmp_path, caplog, name, meant):
    put(tmp_path, "a.jpg")
    open_source(table(tmp_path / "t.csv", f"path,class,{name},lat", "a.jpg,P,x,1.5"), tmp_path)
    (said,) = caplog.messages
    assert f"the column '{name}' is not read. If it is meant so, rename it to {meant}" in said


def test_usual_words_for_parts_bring_no_warning(tmp_path, caplog):
    put(tmp_path, "a.jpg", "b.jpg")
    open_source(table(tmp_path / "t.csv", "path,class,split", "a.jpg,P,dev", "b.jpg,P,"), tmp_path)
    assert not caplog.text


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    put(tmp_path, "a.jpg", "b.jpg")
    lines = "path,class,group", 'a.jpg,Pond,"two', 'lines"', "", "c.jpg,Pond,"
    with pytest.raises(BadInput, match=r"line 5: 'c.jpg' is not there"):
        open_source(table(tmp_path / "t.csv", *lines), tmp_path / "x")


def test_a_fifo_as_a_csv_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(BadInput, match="neither a folder nor a regular file"):
        open_source(tmp_path / "t.csv", tmp_path / "x")


def test_a_column_that_is_named_twice_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"names \['class'\] twice"):
        open_source(table(tmp_path / "t.csv", "path,class,Class", "a.jpg,A,B"), tmp_path / "x")


def test_a_csv_without_its_columns_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"lacks the columns \['class'\]"):
        open_source(table(tmp_path / "t.csv", "path,label", "a.jpg,Pond"), tmp_path / "x")


def test_the_long_tailed_protocol_finds_its_images(aid, tmp_path):
    source = open_source(aid / "aid-lt10.csv", tmp_path)
    splits = [entry.split for entry in source.entries]
    assert source.root == aid / "aid" and len(splits) == 7096
    assert {name: splits.count(name) for name in set(splits)} == {
        "train": 1165, "val": 1006, "test": 1536, "oracle": 1775, "unused": 1614,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("header", "whole", "cut"),
    [
        ("path,class", "b.jpg,Forest", "b.jpg,For"),
        ("path,class,split", "b.jpg,Forest,train", "b.jpg,Forest"),
        ("path,class,split", "b.jpg,Forest,train", "b.jpg,Forest,"),
        ("path,class,split", "b.jpg,Forest,train", "b.jpg,Forest,tr"),
        ("path,class,split,bytes", "b.jpg,Forest,train,91", "b.jpg,Forest,train"),
        ("path,class,group", "b.jpg,Forest,s12", "b.jpg,Forest,s1"),
    ],
)
def test_a_last_line_that_was_cut_is_refused_and_a_whole_one_needs_no_break(
    tmp_path, header, whole, cut
):
    put(tmp_path, "a.jpg", "b.jpg")
    data = tmp_path / "t.csv"
    data.write_text(f"{header}\n{whole.replace('b.jpg', 'a.jpg')}\n{cut}")
    with pytest.raises(BadInput, match=r"line 3, the last, has .* the file looks cut\. Restore it"):
        open_source(data, tmp_path / "x")
    data.write_text(f"{header}\n{whole.replace('b.jpg', 'a.jpg')}\n{whole}")
    assert len(open_source(data, tmp_path / "x").entries) == 2


def test_lines_with_too_few_fields_are_told(tmp_path, caplog):
    put(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    lines = "path,class,split", "a.jpg,Pond,train", "b.jpg,Pond", "c.jpg,Pond,"
    assert len(open_source(table(tmp_path / "t.csv", *lines), tmp_path / "x").entries) == 3
    assert "1 of 3 lines have fewer fields than the first, e.g. line 3" in caplog.text


def test_a_twin_that_was_cut_between_two_lines_is_told(tmp_path, caplog):
    put(tmp_path, "a.jpg", "b.jpg")
    rows = [{"path": name, "class": "Pond", "source": "real"} for name in ("a.jpg", "b.jpg")]
    write_manifest(Manifest(tmp_path, frame_of(rows)), tmp_path)
    twin = tmp_path / "manifest.csv"
    assert len(open_source(twin, tmp_path / "x").entries) == 2 and "beside" not in caplog.text
    twin.write_text("".join(twin.read_text().splitlines(keepends=True)[:-1]))
    assert len(open_source(twin, tmp_path / "x").entries) == 1
    assert f"{twin}: lists 1 images, and manifest.parquet beside it 2." in caplog.text
