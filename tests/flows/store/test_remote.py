"""A store that does not answer, is not there, or cannot be used."""

import sys

import fsspec
import pytest
from machines import files_below

from flows.cli.app import main
from flows.settings.config import RunConfig
from flows.store.remote import Remote
from flows.store.sync import exchange
from flows.store.uses import begin
from terrabalance.errors import BadInput, StoreUnreachable
from terrabalance.finished import mark_done


def test_a_store_that_is_gone_for_a_moment_is_asked_again(result, monkeypatch):
    config, _ = result
    calls = []

    def shaky(path: str) -> bytes:
        calls.append(path)
        if len(calls) < 3:
            raise ConnectionError("gone for a moment")
        return b"here again"

    there = Remote(str(config.storage))
    monkeypatch.setattr(there._fs, "cat_file", shaky)
    assert there.read("anything") == b"here again"
    assert len(calls) == 3


def test_a_store_that_cannot_be_reached_is_one_line_and_loses_nothing(
    result, monkeypatch, capsys, tmp_path
):
    config, folder = result
    before = files_below(folder)
    type(fsspec.filesystem("s3")).clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StoreUnreachable, match="What was made so far is kept in"):
        exchange(config, folder)
    assert files_below(folder) == before
    monkeypatch.setattr(
        sys, "argv", ["terrabalance", "plan", str(tmp_path), "--workdir", config.storage]
    )
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert said.startswith("error: s3://bucket/") and said.count("\n") == 1
    type(fsspec.filesystem("s3")).clear_instance_cache()


def test_a_bucket_that_is_not_there_is_named(on_machine, result):
    config, _ = result
    elsewhere = RunConfig(data=config.data, workdir="s3://no-such-bucket/x")
    folder = elsewhere.workdir / "data" / "generators" / "Beach-1"
    mark_done(folder, {})
    with pytest.raises(BadInput, match=r"s3://no-such-bucket/x.*Make the bucket first"):
        exchange(elsewhere, folder)


@pytest.mark.parametrize(
    ("workdir", "said"),
    [
        ("gs://bucket/x", r"pip install 'terrabalance\[gs\]'"),
        ("nosuch://bucket/x", "Protocol not known: nosuch"),
    ],
)
def test_a_driver_that_is_missing_is_named(workdir, said, tmp_path, on_machine, monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    config = RunConfig(data=tmp_path, workdir=workdir)
    with pytest.raises(BadInput, match=said):
        begin(config)


def test_keys_that_are_missing_are_named(result, monkeypatch, tmp_path):
    config, folder = result
    type(fsspec.filesystem("s3")).clear_instance_cache()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(BadInput, match=r"access is refused \(Unable to locate credentials\)"):
        exchange(config, folder)
    type(fsspec.filesystem("s3")).clear_instance_cache()
