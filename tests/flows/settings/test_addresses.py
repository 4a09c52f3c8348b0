"""Addresses in place of folders."""

import pickle
from pathlib import Path

import pytest

from flows.settings.addresses import local_folder
from flows.settings.config import RunConfig


def test_keys_in_an_address_are_refused(tmp_path):
    with pytest.raises(ValueError, match="keys do not belong into an address") as error:
        RunConfig(data=tmp_path, workdir="s3://me:secret@bucket/x")
    assert "secret@" not in str(error.value.errors(include_input=False))


def test_an_address_becomes_this_machines_working_copy(tmp_path, monkeypatch):
    monkeypatch.setenv("TERRABALANCE_CACHE", str(tmp_path / "one"))
    config = RunConfig(data=tmp_path, workdir="s3://bucket/x/")
    assert config.storage == "s3://bucket/x" and config.workdir.is_relative_to(tmp_path / "one")
    monkeypatch.setenv("TERRABALANCE_CACHE", str(tmp_path / "two"))
    for again in (RunConfig(**config.model_dump(mode="json")), pickle.loads(pickle.dumps(config))):
        assert again.storage == config.storage and again.workdir.is_relative_to(tmp_path / "two")
    assert again.result_key == config.result_key == RunConfig(data=tmp_path).result_key


# RFC 8089: the host of a file address is empty or localhost; RFC 3986, 3.1 and 3.2.2: neither the
# case of a scheme nor that of a host tells two addresses apart.
@pytest.mark.parametrize(
    "before", ["", "file://", "FILE://", "file://localhost", "File://LOCALHOST", "local://"]
)
def test_a_path_or_a_file_address_is_a_plain_folder(before, tmp_path):
    config = RunConfig(data=tmp_path, workdir=f"{before}{tmp_path}")
    assert config.workdir == tmp_path and config.storage is None
    assert local_folder(f"{before}{tmp_path}") == tmp_path  # as `cache` reads it


@pytest.mark.parametrize(
    ("workdir", "said"),
    [
        (Path("s3://bucket/x"), "both slashes"),
        ("s3:/bucket/x", "both slashes"),
        ("file:/mnt/x", "both slashes"),
        ("file://host/x", "'host' would be another machine.*three slashes: file:///host/x"),
        ("FILE://host", "'host' would be another machine"),
        ("file://", "names no folder"),
        ("memory://x/y", "memory of one process.*Give a folder"),
        ("MEMORY://x/y", "memory of one process"),
        ("simplecache::s3://bucket/x", "joined by ::"),
        ("zip://x.zip::s3://bucket/x", "joined by ::"),
        ("S3:///x", "names no bucket"),
    ],
)
def test_an_address_that_no_run_can_use_is_refused_in_one_sentence(workdir, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        RunConfig(data=tmp_path, workdir=workdir)


def test_the_case_of_a_scheme_does_not_matter(tmp_path):
    one, other = (RunConfig(data=tmp_path, workdir=f"{s}://Bucket/X") for s in ("s3", "S3"))
    assert (
        (one.storage, one.workdir)
        == (other.storage, other.workdir)
        == (
            "s3://Bucket/X",
            local_folder("S3://Bucket/X"),
        )
    )


def test_a_folder_may_have_colons_in_its_name(tmp_path):
    for name in ("run::1", "a:b"):
        assert RunConfig(data=tmp_path, workdir=f"{tmp_path}/{name}").workdir == tmp_path / name
    assert RunConfig(data=tmp_path, workdir="run::1/x").storage is None
