import json
from pathlib import Path

import pytest

from terrabalance.contents import changed_since, contents
from terrabalance.errors import BadInput
from terrabalance.files import sha256_of
from terrabalance.manifest import Manifest, frame_of, read_manifest, write_manifest


def row(path: str, sha256: str = "a" * 64, **beside: str) -> dict[str, object]:
    record = json.dumps(dict(sorted(beside.items()))) if beside else ""
    return {"path": path, "class": "Pond", "split": "train", "source": "real", "status": "ok",
            "sha256": sha256, "beside": record}  # fmt: skip


def test_an_image_that_holds_all_itself_stands_for_its_checksum_as_ever():
    rows = frame_of([row("1.png"), row("2.jp2", "b" * 64) | {"beside": "{}"}])
    assert list(contents(rows)) == ["a" * 64, "b" * 64]
    more = frame_of([row("1.png"), row("2.dat", "b" * 64, **{"2.hdr": "c" * 64})])
    assert contents(more)[0] == "a" * 64 and contents(more)[1] != "b" * 64


def test_pixels_depend_on_what_lies_beside_and_not_on_names():
    found = contents(
        frame_of(
            [
                row("a.dat", **{"a.dat.aux.xml": "1" * 64, "a.hdr": "2" * 64}),
                row("b.dat", **{"b.dat.aux.xml": "1" * 64, "b.hdr": "2" * 64}),
                row("c.dat", **{"c.dat.aux.xml": "2" * 64, "c.hdr": "1" * 64}),
                row("d.dat", **{"d.hdr": "2" * 64}),
            ]
        )
    )
    assert found[0] == found[1] and found.nunique() == 3


def test_images_whose_neighbour_changed_since_they_were_listed_are_named(tmp_path):
    (tmp_path / "1.dat").write_bytes(b"pond")
    (tmp_path / "1.hdr").write_bytes(b"byte order = 0")
    listed = row("1.dat", sha256_of(tmp_path / "1.dat"), **{"1.hdr": sha256_of(tmp_path / "1.hdr")})
    rows = frame_of([listed])
    manifest = Manifest(tmp_path, rows)
    assert manifest.unchanged(rows) == [tmp_path / "1.dat"]
    (tmp_path / "1.dat.aux.xml").write_text("no data")
    with pytest.raises(BadInput, match=r"1\.dat\.aux\.xml: .*added since 1\.dat.*take it away"):
        manifest.unchanged(rows)
    (tmp_path / "1.dat.aux.xml").unlink()
    (tmp_path / "1.hdr").write_bytes(b"byte order = 1")
    assert manifest.changed(rows) == [tmp_path / "1.hdr"]
    (tmp_path / "1.hdr").unlink()
    with pytest.raises(BadInput, match=r"1\.hdr: gone since 1\.dat, whose pixels it decides"):
        manifest.unchanged(rows)


def test_a_record_outlives_writing_and_a_wrong_one_is_refused_where_it_is_read(tmp_path):
    frame = frame_of([row("1.dat", **{"1.hdr": "c" * 64}), row("2.png")])
    write_manifest(Manifest(tmp_path, frame), tmp_path)
    assert list(read_manifest(tmp_path).frame["beside"]) == list(frame["beside"])
    frame.drop(columns="beside").to_parquet(tmp_path / "manifest.parquet")  # an older one
    assert list(read_manifest(tmp_path).frame["beside"]) == ["", ""]
    frame.assign(beside=["", '{"../1.hdr": ""}']).to_parquet(tmp_path / "manifest.parquet")
    with pytest.raises(BadInput, match=r"row 2: beside .* is no JSON of names"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("source", ["real", "synthetic"])
def test_what_is_to_be_done_about_an_image_fits_a_manifest_that_no_command_scans(
    tmp_path: Path, source: str
):
    gone = str(changed_since(tmp_path / "1.png", source))
    assert "gone since" in gone and "touch" not in gone  # which would put an empty file there
    (tmp_path / "1.png").write_bytes(b"lake")
    there = str(changed_since(tmp_path / "1.png", source))
    assert "gone" not in there and "again: " not in gone + there
    for said in (gone, there):
        assert "Restore it from a copy" in said
        assert ("manifest never is" if source == "real" else "of others") in said
