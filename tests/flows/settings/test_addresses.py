"""Addresses in place of folders."""

import pickle
from pathlib import Path

import pytest

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


def test_a_path_or_a_file_address_is_a_plain_folder(tmp_path):
    for workdir in (tmp_path, str(tmp_path), f"file://{tmp_path}"):
        config = RunConfig(data=tmp_path, workdir=workdir)
        assert config.workdir == tmp_path and config.storage is None
    with pytest.raises(ValueError, match="as text"):
        RunConfig(data=tmp_path, workdir=Path("s3://bucket/x"))
