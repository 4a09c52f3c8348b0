import hashlib
import os
import re
import signal
import subprocess
import sys

import pytest
from flips import every_flip, read_or_refused

from terrabalance.errors import BadInput
from terrabalance.files import (
    atomic_write,
    fingerprint,
    inside,
    is_as_hashed,
    read_json,
    read_record,
    sha256_of,
    slug,
    write_json,
    write_text,
)
from terrabalance.finished import damaged_files, done, mark_done, refuse_damaged


def test_a_failed_write_keeps_the_old_content_and_leaves_nothing(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_write(path) as file:
        file.write(b"half of the n")
        raise RuntimeError
    assert path.read_text() == "old" and [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_others_may_read_what_was_written(tmp_path):
    write_text(tmp_path / "a.txt", "x")
    (tmp_path / "b.txt").write_text("x")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_a_killed_writer_leaves_the_old_content(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    script = f"""
import pathlib, sys
from terrabalance.files import atomic_write
with atomic_write(pathlib.Path({str(path)!r})) as file:
    file.write(b"new" * 100000); file.flush()
    print("half", flush=True); sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == b"half\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stdin.close()
    assert path.read_bytes() == b"old"
    write_text(path, "new")
    assert path.read_bytes() == b"new"


def test_json_comes_back_and_nan_is_refused(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, 2.5, "é"]})
    assert read_json(tmp_path / "a.json") == {"b": [1, 2.5, "é"]}
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", float("nan"))
    assert read_json(tmp_path / "a.json") == {"b": [1, 2.5, "é"]}


def test_broken_json_is_named(tmp_path):
    (tmp_path / "a.json").write_bytes(b"{\xff")
    with pytest.raises(BadInput, match=r"a\.json"):
        read_json(tmp_path / "a.json")


def test_a_fingerprint_follows_the_content_not_the_order_of_keys():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert re.fullmatch("[0-9a-f]{12}", fingerprint(1))
    assert fingerprint("terrabalance") == fingerprint("terrabalance", length=32)[:12]


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 1000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc" * 1000).hexdigest()


@pytest.mark.parametrize("name", ["Pond", "Bare_Land-2", "a" * 64, "0"])
def test_a_plain_name_stays_as_it_is(name):
    assert slug(name) == name


@pytest.mark.parametrize(
    "name",
    ["../up", "/root", "a/b", "..", ".", "", "-rf", "池", "a b", "a" * 65, "a\0b", ".hidden", "x\n",
     "<script>"],
)  # fmt: skip
def test_any_other_name_becomes_one_safe_folder(name, tmp_path):
    safe = slug(name)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", safe)
    assert (tmp_path / safe).resolve().parent == tmp_path.resolve()


def test_two_names_never_share_a_slug():
    names = ["a b", "a/b", "a.b", "a-b", "池", "沼", "", "class", "Pond", "pond "]
    assert len({slug(name) for name in names}) == len(names)


@pytest.mark.parametrize("path", ["a\0b.png", "\ud800.png"])  # by JSON "\\u0000" and "\\ud800"
def test_a_name_that_no_file_can_have_is_refused_in_words(tmp_path, path):
    with pytest.raises(BadInput, match="no file has such a name"):
        inside(tmp_path, path)


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("../a", "Use a path below"), ("/etc/passwd", "Use a path below"),
        ("a/../../b", "Use a path below"), ("link/a", "A link in it leads out"),
    ],
)  # fmt: skip
def test_a_path_that_leaves_its_folder_is_refused(tmp_path, path, remedy):
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(BadInput, match=f"leaves its folder .*{remedy}"):
        inside(root, path)


@pytest.mark.parametrize("path", ["a", "a/b.png", "a/../b", "..a"])
def test_a_path_that_stays_is_joined(tmp_path, path):
    assert inside(tmp_path, path) == tmp_path / path


def test_a_stage_is_done_once_it_says_so(tmp_path):
    assert done(tmp_path / "stage") is None
    mark_done(tmp_path / "stage", {"n_images": 3})
    assert done(tmp_path / "stage") == {"n_images": 3, "files": {}}


def test_a_finished_stage_keeps_the_checksums_of_its_files(tmp_path):
    folder = tmp_path / "stage"
    write_text(folder / "below" / "weights", "abc")
    mark_done(folder, {}, [folder / "below" / "weights"])
    # Of "abc", by FIPS 180-2, appendix B.1.
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert done(folder) == {"files": {"below/weights": expected}}


def test_no_flipped_bit_of_a_json_file_changes_what_is_read(tmp_path):
    path, record = tmp_path / "limits.json", {"limits": {"edges": 0.25}, "ended": True, "n": [1, 2]}
    write_json(path, record)
    flips = every_flip(path.read_bytes())
    for found in read_or_refused(path, flips, lambda: read_json(path)):
        # The name of the hash alone may change without harm.
        assert {key: found[key] for key in record} == record


def test_json_by_hand_is_read_as_it_is(tmp_path):
    (tmp_path / "a.json").write_text('{"n": 3}')
    assert read_json(tmp_path / "a.json") == {"n": 3}


@pytest.mark.parametrize("text", ["[" * 100_000, '{"n": ' + "9" * 5000 + "}", "\x00", "{"])
def test_json_that_cannot_be_read_is_named(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BadInput, match=r"a\.json: not valid JSON"):
        read_json(tmp_path / "a.json")


def test_a_finished_result_knows_which_of_its_files_was_damaged_or_lost(tmp_path):
    files = [tmp_path / "weights", tmp_path / "card"]
    for file in files:
        file.write_bytes(b"whole")
    mark_done(tmp_path, {}, files)
    assert damaged_files(tmp_path) == []
    files[0].write_bytes(b"wholf")
    files[1].unlink()
    assert damaged_files(tmp_path) == ["card", "weights"]
    with pytest.raises(BadInput, match=r"card: gone, damaged, or changed since it was finished"):
        refuse_damaged(tmp_path, "it")
    (tmp_path / "done.json").unlink()
    assert damaged_files(tmp_path) == []


def test_a_change_is_seen_where_size_and_time_of_change_are_kept(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(b"whole")
    times, sha256 = path.stat(), sha256_of(path)
    assert is_as_hashed(path, sha256)
    path.write_bytes(b"wholf")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert not is_as_hashed(path, sha256)


@pytest.mark.parametrize("text", ["[]", "null", "3", "{}", '{"n": "3"}', '{"n": null}'])
def test_a_record_without_what_is_needed_of_it_is_named_with_its_remedy(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BadInput, match=r"a\.json: lacks 'n'.* writes it\. Ask Ada\."):
        read_record(tmp_path / "a.json", {"n": int}, "Ask Ada.")


def test_a_record_that_is_no_object_is_named(tmp_path):
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(BadInput, match=r"a\.json: is no JSON object"):
        read_record(tmp_path / "a.json")


def test_a_record_may_say_more_than_is_needed_of_it(tmp_path):
    write_json(tmp_path / "a.json", {"n": 3, "more": None})
    assert read_record(tmp_path / "a.json", {"n": int}) == {"n": 3, "more": None}


def test_a_mark_without_what_is_needed_of_it_is_named_with_its_folder(tmp_path):
    (tmp_path / "done.json").write_text("{}")
    with pytest.raises(BadInput, match=rf"delete {re.escape(str(tmp_path / 'done.json'))} alone"):
        done(tmp_path, {"n_images": int})
