import io
import tarfile

import pytest
from archive_files import COMPRESSED, compressed, member, refused, tar_bytes

from augment.catalogue.sources import open_source
from augment.catalogue.tars import _Ending

MANY = [member(f"{'AB'[i % 2]}/{i}.jpg", 700) for i in range(40)]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("at", [0, 1, 100, 511, 512, 900])
def test_a_tar_that_is_cut_anywhere_in_a_member_is_no_shorter_tar(tmp_path, form, at):
    whole = tar_bytes(*MANY, form=form)
    header = 30 * (512 + 1024)  # of the thirty-first of forty files
    assert refused(tmp_path / "a.tar", whole[: header + at], tmp_path / "x")


@pytest.mark.parametrize("at", [0, 99, 124, 148, 156, 300])
@pytest.mark.parametrize("name", ["a.tar", *COMPRESSED])
def test_a_tar_with_a_damaged_header_is_no_shorter_tar(tmp_path, name, at):
    whole = bytearray(tar_bytes(*MANY))
    whole[30 * 1536 + at] ^= 1
    assert "Make it again" in refused(tmp_path / name, compressed(name, whole), tmp_path / "x")


@pytest.mark.parametrize("n_zeros, words", [(0, "it ends without"), (512, "not two")])
@pytest.mark.parametrize("name", ["a.tar", *COMPRESSED])
def test_a_tar_without_its_end_is_refused(tmp_path, name, n_zeros, words):
    cut = tar_bytes(*MANY)[: 40 * 1536 + n_zeros]
    assert words in refused(tmp_path / name, compressed(name, cut), tmp_path / "x")


@pytest.mark.parametrize("more", [b"more", b"\0" * 700 + tar_bytes(member("B/9.jpg"))])
@pytest.mark.parametrize("name", ["a.tar", *COMPRESSED])
def test_what_follows_the_end_of_a_tar_is_not_passed_over(tmp_path, name, more):
    data = compressed(name, tar_bytes(*MANY) + more)
    assert "more follows" in refused(tmp_path / name, data, tmp_path / "x")


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_compressed_tar_is_read_to_the_end_of_its_stream(tmp_path, name):
    data = compressed(name, tar_bytes(*MANY))
    for cut in (1, 4, len(data) // 2):
        refused(tmp_path / name, data[:-cut], tmp_path / "x")
    refused(tmp_path / name, data + b"garbage", tmp_path / "x")


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_tar_may_be_compressed_in_several_pieces(tmp_path, name):
    whole = tar_bytes(*MANY)
    pieces = compressed(name, whole[:5000]) + compressed(name, whole[5000:])
    (tmp_path / name).write_bytes(pieces)
    assert len(open_source(tmp_path / name, tmp_path / "x").entries) == 40
    refused(tmp_path / name, compressed(name, whole[:5000]), tmp_path / "y")


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_of_every_length_are_read_in_every_kind_of_tar(tmp_path, form):
    names = [f"A/{'n' * 90}/{'o' * length}.jpg" for length in (1, 80, 95)]
    (tmp_path / "a.tar").write_bytes(tar_bytes(*map(member, names), form=form))
    found = open_source(tmp_path / "a.tar", tmp_path / "x")
    assert {f"{found.root.name}/{entry.path}" for entry in found.entries} == set(names)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_states_a_huge_description_is_refused_unread(tmp_path, kind):
    header = member("n", 2**33, kind).tobuf(tarfile.GNU_FORMAT)
    assert "8589934592 bytes" in refused(tmp_path / "a.tar", header, tmp_path / "x")


def test_a_tar_that_is_read_on_far_behind_its_end_is_said_to_have_ended():
    """tarfile would pass a content of any size that a header states, block after block."""
    stream = _Ending(io.BytesIO(b"x" * 10))
    assert stream.read(20) == b"x" * 10 and stream.read(20) == b""
    with pytest.raises(EOFError, match="far before what a header states"):
        while stream.read(20) == b"":
            pass
