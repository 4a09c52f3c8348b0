"""Results between machines, through an S3 server on loopback."""

import json
import shutil
from pathlib import Path

import pytest
from machines import files_below, in_bucket, there

from classifier.study.ledger import note_opening
from flows.store.remote import Remote
from flows.store.sync import adding, exchange
from terrabalance.errors import BadInput
from terrabalance.files import write_text
from terrabalance.finished import mark_done


def test_an_upload_that_was_interrupted_is_not_a_result(result, on_machine, monkeypatch):
    config, folder = result
    upload = Remote.put

    def cut(self: Remote, files: dict[str, Path]) -> None:
        for name, path in files.items():
            upload(self, {name: path})
            if name.endswith("b.txt"):
                raise KeyboardInterrupt

    monkeypatch.setattr(Remote, "put", cut)
    with pytest.raises(KeyboardInterrupt):
        exchange(config, folder)
    monkeypatch.undo()
    second, missing = there(config, on_machine)
    exchange(second, missing)
    assert not missing.exists()
    on_machine("one")
    exchange(config, folder)  # the same command again
    second, found = there(config, on_machine)
    exchange(second, found)
    assert files_below(found) == files_below(folder)


def test_a_folder_that_is_a_link_is_fetched_into_where_it_leads(result, on_machine, tmp_path):
    config, folder = result
    exchange(config, folder)
    second, own = there(config, on_machine)
    elsewhere = tmp_path / "large disk" / "a"
    elsewhere.mkdir(parents=True)
    own.parent.mkdir(parents=True, exist_ok=True)
    own.symlink_to(elsewhere)
    exchange(second, own)
    assert own.is_symlink() and own.resolve() == elsewhere
    assert files_below(elsewhere) == files_below(folder)
    assert [path.name for path in elsewhere.parent.iterdir()] == ["a"]


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_folder_that_is_not_as_listed_is_not_used_and_repaired(
    result, on_machine, s3, damage, caplog
):
    config, folder = result
    exchange(config, folder)
    file = f"{in_bucket(str(config.storage))}/data/generators/Beach-1/a.txt"
    s3.rm_file(file) if damage == "gone" else s3.pipe_file(file, b"x")
    second, own = there(config, on_machine)
    exchange(second, own)
    assert not own.exists() and "not whole" in caplog.text
    shutil.copytree(folder, own)  # made anew
    exchange(second, own)
    third, found = there(config, on_machine, "three")
    exchange(third, found)
    assert files_below(found) == files_below(folder)


def test_of_two_machines_that_made_the_same_the_first_to_publish_counts(result, on_machine):
    config, folder = result
    exchange(config, folder)
    second, own = there(config, on_machine)
    write_text(own / "a.txt", "rounded otherwise")
    mark_done(own, {"by": "two"})
    exchange(second, own)
    assert files_below(own) == files_below(folder)


def test_what_a_machine_adds_to_a_finished_result_reaches_the_others(result, on_machine, s3):
    config, folder = result
    exchange(config, folder)
    second, own = there(config, on_machine)
    exchange(second, own)
    write_text(own / "c.txt", "c")
    exchange(second, own)
    exchange(config, folder, changes=True)
    assert sorted(files_below(folder)) == ["a.txt", "c.txt", "deep/b.txt", "done.json"]


def test_what_is_made_anew_loses_in_the_store_what_it_no_longer_has(result, on_machine, s3):
    config, folder = result
    exchange(config, folder)
    (folder / "a.txt").unlink()
    mark_done(folder, {"by": "one", "again": True})
    exchange(config, folder)
    assert not s3.exists(f"{in_bucket(str(config.storage))}/data/generators/Beach-1/a.txt")


def test_a_file_that_a_cache_cleaner_took_comes_back_and_stays_in_the_store(result, s3):
    config, folder = result
    exchange(config, folder)
    (folder / "a.txt").unlink()
    exchange(config, folder)
    assert sorted(files_below(folder)) == ["a.txt", "deep/b.txt", "done.json"]
    assert s3.exists(f"{in_bucket(str(config.storage))}/data/generators/Beach-1/a.txt")


def test_two_machines_count_each_others_openings_of_the_test_part(result, on_machine):
    config, _ = result
    second, _ = there(config, on_machine)
    ledgers = [each.workdir / "data" / "classifiers" / "test_openings.json"
               for each in (config, second)]  # fmt: skip
    note_opening(ledgers[0], "T", "a comparison that was killed before it was published")
    with adding(second, [], ledgers[1]):
        note_opening(ledgers[1], "T", "another")
    with adding(config, [], ledgers[0]):
        assert note_opening(ledgers[0], "T", "a third") == 3


@pytest.mark.parametrize("path", ["../../../../out", "/tmp/out"])
def test_a_listing_cannot_write_outside_its_folder(result, on_machine, s3, path):
    config, folder = result
    exchange(config, folder)
    name = f"{in_bucket(str(config.storage))}/data/generators/Beach-1.files.json"
    listing = json.loads(s3.cat_file(name))
    s3.pipe_file(name, json.dumps({**listing, path: listing["a.txt"]}).encode())
    second, own = there(config, on_machine)
    with pytest.raises(BadInput, match="leaves its folder"):
        exchange(second, own)
    assert not own.exists() and not (second.workdir.parents[1] / "out").exists()
