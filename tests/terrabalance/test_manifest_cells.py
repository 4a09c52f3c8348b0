"""Manifests of strangers: written by Arrow, without our seal, as any program may write them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from terrabalance.dataset import TerraBalanceDataset
from terrabalance.errors import BadInput
from terrabalance.manifest import COLUMNS, Manifest, frame_of, read_manifest

NOT_UTF8 = b"\xe9tang.png"  # "étang.png" in Latin-1


def table_of(n_rows: int = 3) -> pa.Table:
    rows = [
        {"path": f"Pond/{n}.png", "class": "Pond", "split": "train", "source": "real",
         "status": "ok", "bands": 3}
        for n in range(n_rows)
    ]  # fmt: skip
    return pa.Table.from_pandas(frame_of(rows), preserve_index=False)


def with_cell(table: pa.Table, name: str, cell: object) -> pa.Table:
    """Return the table with another cell in its second row."""
    place = table.column_names.index(name)
    cells = table[name].to_pylist()
    cells[1] = cell
    return table.set_column(place, name, pa.array(cells, table[name].type))


def given(folder: Path, table: pa.Table, metadata: dict[bytes, bytes] | None = None) -> Path:
    pq.write_table(table.replace_schema_metadata(metadata), folder / "manifest.parquet")
    return folder


@pytest.mark.parametrize(
    ("name", "cell", "said"),
    [
        ("path", "a\0b.png", r"row 2: path 'a\\x00b.png' holds a NUL"),
        ("class", "Po\0nd", r"row 2: class 'Po\\x00nd' holds a NUL"),
        ("detail", "\0", r"row 2: detail '\\x00' holds a NUL"),
        ("path", "", "row 2: path '' names no file"),
        ("class", "", "row 2: class '' is the class of an image with status ok"),
        ("status", "bogus", "row 2: status 'bogus' is none of ok, not an image"),
        ("source", "Synthetic", "row 2: source 'Synthetic' is none of real, synthetic"),
        ("bands", 2**62, f"row 2: bands {2**62} is not from 0 to 65535"),
        ("bands", -1, "row 2: bands -1 is not"),
        ("width_px", 2**31, "row 2: width_px 2147483648 is not"),
        ("height_px", -8, "row 2: height_px -8 is not"),
        ("bytes", -1, "row 2: bytes -1 is not"),
        ("invalid", 1.5, "row 2: invalid 1.5 is not from 0.0 to 1.0"),
        ("invalid", float("nan"), "row 2: invalid nan is not"),
        ("group", -2, "row 2: group -2 is not"),
        ("place", -2, "row 2: place -2 is not"),
        ("seed", -2, "row 2: seed -2 is not"),
    ],
)
def test_a_cell_that_no_image_has_is_named_with_its_row(tmp_path, name, cell, said):
    with pytest.raises(BadInput, match=rf"manifest\.parquet: {said}.*Correct it"):
        read_manifest(given(tmp_path, with_cell(table_of(), name, cell)))


def test_what_is_wrong_beyond_ascii_and_long_is_shown_short(tmp_path):
    with pytest.raises(BadInput, match=r"row 2: status '\\x1b\[31mb{40,60}…"):
        read_manifest(given(tmp_path, with_cell(table_of(), "status", "\x1b[31m" + "b" * 5000)))


def test_an_image_that_is_left_out_needs_no_class(tmp_path):
    table = with_cell(with_cell(table_of(), "class", ""), "status", "no class")
    assert read_manifest(given(tmp_path, table)).classes() == ["Pond"]


@pytest.mark.parametrize("root", [b"\xff", b"Pond\0"])
def test_a_root_that_is_no_path_is_refused_in_words(tmp_path, root):
    given(tmp_path, table_of(), {b"terrabalance.root": root})
    with pytest.raises(BadInput, match=r"root folder in its metadata, .* is no path in UTF-8"):
        read_manifest(tmp_path)
    with pytest.raises(BadInput, match="root folder"):
        TerraBalanceDataset(tmp_path)


@pytest.mark.parametrize("name", ["path", "note"])  # a column of ours, and one of theirs
def test_bytes_that_a_file_calls_text_are_refused(tmp_path, name):
    parts = pa.array([b"a.png", NOT_UTF8, b"c.png"], pa.large_binary()).buffers()
    column = pa.Array.from_buffers(pa.large_string(), 3, parts)
    table = table_of()
    table = table.drop_columns(["path"]) if name == "path" else table
    with pytest.raises(BadInput, match="not all of its text is UTF-8"):
        read_manifest(given(tmp_path, table.append_column(name, column)))


def test_notes_of_pandas_in_a_file_neither_hide_a_column_nor_stop_its_reading(tmp_path):
    indexed = pa.Table.from_pandas(table_of().to_pandas().set_index("path"))
    for notes in (indexed.schema.metadata, {b"pandas": b"{"}):
        frame = read_manifest(given(tmp_path, table_of(), notes)).frame
        assert list(frame) == list(COLUMNS) and frame["path"].iloc[0] == "Pond/0.png"
    again = read_manifest(given(tmp_path, indexed, indexed.schema.metadata))
    assert isinstance(again, Manifest) and len(again.usable("train")) == 3


def test_names_of_columns_that_are_no_utf8_are_refused_in_words(tmp_path):
    path = tmp_path / "manifest.parquet"
    pq.write_table(table_of().append_column("mine", pa.array([1, 2, 3])), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"mine", b"\xe9tan"))
    with pytest.raises(BadInput, match=r"manifest\.parquet: not a Parquet table .* codec"):
        read_manifest(path)
