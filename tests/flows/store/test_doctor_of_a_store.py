"""What `terrabalance doctor` says of a workdir in a store."""

import sys

import pytest

from flows.cli.checks.places import check_workdir
from flows.cli.doctor import _finding_of
from flows.settings.addresses import local_folder


def look(workdir: str):
    return _finding_of("workdir", lambda: check_workdir(workdir, local_folder(workdir)))


def test_a_store_is_written_once_and_nothing_stays_there(address, on_machine, s3):
    found = look(address)
    assert (found.state, found.advice) == ("ok", "")
    assert found.found.startswith(f"{address} can be written; this machine's copy is ")
    assert not s3.find(address)


@pytest.mark.parametrize(
    ("workdir", "found", "advice"),
    [
        ("s3://no-such-bucket/x", "s3://no-such-bucket/x: cannot be written", "Make the bucket"),
        ("gs://bucket/x", "the driver for gs:// is missing", "Install it: pip install"),
    ],
)
def test_a_store_that_cannot_be_used_is_broken(
    workdir, found, advice, on_machine, s3, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "gcsfs", None)  # as if it were not installed
    one = look(workdir)
    assert one.state == "broken" and found in one.found and one.advice.startswith(advice)
