"""Listing and clearing results, of a real run."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner
from users import AS_USER, needs_a_user

from augment.screen.statuses import review
from classifier.train.experiment import trials_of
from flows.cli.app import app
from flows.settings.config import RunConfig
from flows.stages import generators
from flows.stages.classifiers import experiment_of, train_classifier
from flows.stages.dataset import Parts, assemble_dataset
from flows.stages.plan import make_plan
from flows.stages.run import Run
from flows.stages.synthetic import synthesize_class
from flows.store import cache
from flows.store.uses import claim_dataset
from terrabalance.errors import BadInput
from terrabalance.finished import done

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def made(scenes, tiny, tmp_path_factory) -> RunConfig:
    """A run up to its classifiers."""
    root = tmp_path_factory.mktemp("cache")
    config = RunConfig(data=scenes, workdir=root, name="kept", **tiny)
    generators.train_base(Run(config))
    generators.train_class(Run(config), "Beach")
    synthesize_class(Run(config), "Beach")
    assemble_dataset(Run(config))
    train_classifier(
        config, experiment_of(Run(config), Parts(Run(config)).key), trials_of(config.classifier)[0]
    )
    return config


@pytest.fixture
def workdir(made, tmp_path) -> Path:
    """A copy of it, of which nothing has changed for two days."""
    copy = shutil.copytree(made.workdir, tmp_path / "work")
    for path in copy.rglob("*"):
        age(path, 2)
    return copy


def age(path: Path, days: float) -> None:
    when = time.time() - days * 24 * 3600
    os.utime(path, (when, when))


def forget(workdir: Path) -> None:
    """Give up the run."""
    shutil.rmtree(workdir / "reports" / "kept")
    shutil.rmtree(workdir / "data" / "datasets" / "kept")


def ask(workdir: Path, *words: str) -> list[dict]:
    result = CliRunner().invoke(app, ["cache", *words, "--workdir", str(workdir), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_everything_that_a_run_made_is_listed_as_used_by_it(workdir):
    found = ask(workdir, "list")
    assert {one["kind"] for one in found} == set(cache.KINDS) - {"extracted"}
    assert all(one["finished"] and one["bytes"] > 0 for one in found)
    assert [one for one in found if one["used_by"] != ["kept"]] == []


def test_nothing_of_a_run_is_pruned_while_its_dataset_is_there(workdir):
    shutil.rmtree(workdir / "reports" / "kept")
    assert ask(workdir, "prune", "--yes") == []


def test_what_no_run_uses_is_only_listed_unless_told_otherwise(workdir):
    forget(workdir)
    everything = ask(workdir, "list")
    assert ask(workdir, "prune") == everything and ask(workdir, "list") == everything
    assert ask(workdir, "prune", "--yes") == everything
    assert ask(workdir, "list") == []


def test_prune_takes_only_the_kind_and_the_age_asked_for(workdir):
    forget(workdir)
    assert ask(workdir, "prune", "--older-than", "3", "--yes") == []
    gone = ask(workdir, "prune", "--kind", "generators", "--older-than", "1", "--yes")
    assert {one["kind"] for one in gone} == {"generators"}
    assert {one["kind"] for one in ask(workdir, "list")} == {
        "catalogues", "synthetic", "classifiers",
    }  # fmt: skip


@needs_a_user
@pytest.mark.parametrize(
    ("shut", "hides"),
    [("data/datasets", set()), ("data/generators/base-*", {"base"}), ("data/uses/kept", set())],
)
def test_what_this_user_may_not_read_is_named_and_the_rest_listed(workdir, shut, hides):
    everything = {one["name"] for one in ask(workdir, "list")}
    (folder,) = (path for path in workdir.glob(shut) if path.is_dir())
    folder.chmod(0)
    try:
        listed, refused = (as_user("cache", words, workdir) for words in ("list", "prune"))
    finally:
        folder.chmod(0o755)
    found = {one["name"] for one in json.loads(listed.stdout)}
    assert {name.split("-")[0] for name in everything - found} == hides
    assert listed.returncode == 1 and f"{folder}: no permission" in listed.stderr
    assert refused.returncode == 2 and refused.stdout == ""


def as_user(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*AS_USER, sys.executable, "-m", "flows", *map(str, words[:-1]), "--json"]
    return subprocess.run(
        [*command, "--workdir", str(words[-1])],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip


def test_an_unknown_kind_is_named(workdir):
    with pytest.raises(BadInput, match=r"reports: is none of catalogues"):
        CliRunner().invoke(
            app, ["cache", "prune", "--kind", "reports", "--workdir", str(workdir)],
            catch_exceptions=False,
        )  # fmt: skip


def test_what_a_changed_dataset_left_behind_is_no_longer_used(workdir, scenes, tiny):
    other = RunConfig(data=scenes, workdir=workdir, name="kept", **{**tiny, "seed": 1})
    shutil.rmtree(workdir / "reports" / "kept")  # its name belongs to other settings otherwise
    make_plan(Run(other))
    left = {one["name"].split("-")[0] for one in ask(workdir, "list") if not one["used_by"]}
    assert left == {"scenes", "base", "baseline"}  # what drew the dataset that is there is kept
    shutil.rmtree(workdir / "data" / "datasets" / "kept")
    left = {one["name"].split("-")[0] for one in ask(workdir, "list") if not one["used_by"]}
    assert left == {"scenes", "base", "baseline", "Beach"}


def test_a_dataset_of_other_settings_is_not_replaced_where_only_its_report_is_gone(
    workdir, made, scenes, tiny
):
    def run_with(seed: int) -> RunConfig:
        return RunConfig(data=scenes, workdir=workdir, name="kept", **{**tiny, "seed": seed})

    shutil.rmtree(workdir / "reports" / "kept")
    claim_dataset(run_with(made.seed))  # the same command again
    with pytest.raises(BadInput, match="kept: is of a run named 'kept' with other settings"):
        claim_dataset(run_with(made.seed + 1))
    shutil.rmtree(workdir / "data" / "datasets" / "kept")
    claim_dataset(run_with(made.seed + 1))


@pytest.mark.parametrize("left", [b"", b"1a2b", b"\xff\xfe\0\0"])
def test_a_damaged_note_of_whose_a_dataset_is_is_named_with_what_to_do(workdir, made, left):
    config = made.model_copy(update={"workdir": workdir})
    note = workdir / "data" / "uses" / "kept" / "dataset.key"
    before = note.read_bytes()
    note.write_bytes(left)
    with pytest.raises(BadInput, match=rf"{note}: damaged.* delete the note"):
        claim_dataset(config)
    note.unlink()
    claim_dataset(config)
    assert note.read_bytes() == before


def test_what_somebody_works_on_stays(workdir):
    forget(workdir)
    (generator,) = (workdir / "data" / "generators").glob("Beach-*[0-9a-f]")
    with FileLock(generator.with_name(f"{generator.name}.lock")):
        assert generator.name not in [one["name"] for one in ask(workdir, "prune", "--yes")]
    (generator / "done.json").unlink()
    age(generator / "card.json", 0.5)  # unfinished, and changed within a day
    assert ask(workdir, "prune", "--yes") == []
    assert generator.is_dir()


def test_what_was_just_made_or_reviewed_by_somebody_stays(workdir):
    forget(workdir)
    (synthetic,) = (workdir / "data" / "synthetic").glob("Beach-*[0-9a-f]")
    (synthetic / "reviews.json").write_text("{}")
    age(synthetic / "reviews.json", 2)
    (catalogue,) = (workdir / "data" / "catalogues").glob("scenes-*[0-9a-f]")
    age(catalogue / "summary.json", 0)
    ask(workdir, "prune", "--yes")
    assert synthetic.is_dir() and catalogue.is_dir()


def test_what_somebody_reviewed_stays_also_where_the_file_of_decisions_was_lost(workdir):
    forget(workdir)
    (synthetic,) = (workdir / "data" / "synthetic").glob("Beach-*[0-9a-f]")
    review(synthetic, "000000.png", "refuse", "Ada")
    (synthetic / "reviews.json").unlink()
    for path in synthetic.iterdir():
        age(path, 2)
    ask(workdir, "prune", "--yes")
    assert synthetic.is_dir()


def test_a_prune_that_is_killed_leaves_nothing_that_looks_finished(workdir, monkeypatch):
    forget(workdir)

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.store.cache.shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        cache.prune(cache.prunable(cache.results(workdir), ("generators",)))
    monkeypatch.undo()
    folders = [path for path in (workdir / "data" / "generators").iterdir() if path.is_dir()]
    assert sum(done(path) is None for path in folders) == 1  # the one it was at
    ask(workdir, "prune", "--yes")
    assert not [path for path in (workdir / "data" / "generators").iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    "place", ["generators/my-backup", "extracted/zip-0c8dcc6fb2cf-changed-aa5b6e98"]
)
def test_what_is_no_result_is_neither_listed_nor_pruned(workdir, place):
    mine = workdir / "data" / place / "labels.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    age(mine, 2)
    age(mine.parent, 2)
    forget(workdir)
    assert mine.parent.name not in {one["name"] for one in ask(workdir, "list")}
    ask(workdir, "prune", "--yes")
    assert mine.read_text() == "mine"


def test_a_base_is_used_by_the_run_of_its_generators_also_without_its_note(workdir):
    (workdir / "data" / "uses" / "kept" / "base.json").unlink()
    (base,) = [one for one in ask(workdir, "list") if one["name"].startswith("base-")]
    assert base["used_by"] == ["kept"]


def test_a_run_whose_notes_were_lost_stops_the_prune(workdir):
    for note in (workdir / "data" / "uses" / "kept").glob("*.json"):
        note.unlink()
    with pytest.raises(BadInput, match="what kept use is not known"):
        CliRunner().invoke(
            app, ["cache", "prune", "--workdir", str(workdir)], catch_exceptions=False
        )


def test_runs_of_which_nothing_is_known_stop_the_prune(workdir):
    (workdir / "reports" / "old").mkdir()
    (workdir / "reports" / "old" / "plan.json").write_text("{}")
    with pytest.raises(BadInput, match="what old use is not known"):
        CliRunner().invoke(
            app, ["cache", "prune", "--workdir", str(workdir)], catch_exceptions=False
        )


def test_a_run_that_was_refused_before_it_made_anything_stops_no_prune(workdir):
    (workdir / "reports" / "refused").mkdir()
    (workdir / "reports" / "refused" / "config.json").write_text("{}")
    assert ask(workdir, "prune") == []


def test_an_unpacked_archive_is_used_by_its_run(scenes, tiny, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "scenes"), "zip", scenes)
    config = RunConfig(data=archive, workdir=tmp_path, name="zipped", **tiny)
    make_plan(Run(config))
    uses = {one["kind"]: one["used_by"] for one in ask(tmp_path, "list")}
    assert uses == {"catalogues": ["zipped"], "extracted": ["zipped"]}


def test_a_note_of_something_else_is_named(workdir):
    note = next((workdir / "data" / "uses" / "kept").glob("*.json"))
    note.write_text("[]")
    with pytest.raises(BadInput, match=note.name):
        cache.results(workdir)


def test_a_damaged_manifest_of_a_dataset_is_named_before_anything_is_removed(workdir):
    manifest = workdir / "data/datasets/kept/manifest.parquet"
    content = manifest.read_bytes()
    manifest.unlink()  # a hard link's other name keeps its content
    manifest.write_bytes(content[: len(content) // 2])
    command = ["cache", "prune", "--yes", "--workdir", str(workdir)]
    refused = CliRunner().invoke(app, command).exception
    assert isinstance(refused, BadInput) and str(manifest) in str(refused)
