"""Runs that are killed, starved and damaged. Long on demand: see CONTRIBUTING.md."""

import os
import random
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import Nursery

from .damage import damage, kinds, load_bearing, outcome_of
from .kills import WORK, Kills, table
from .sameness import differences, results
from .tiny_run import TinyRun

LONG = "CHAOS_KILLS" in os.environ
N_KILLS = int(os.environ.get("CHAOS_KILLS", len(WORK)))
N_DAMAGES = int(os.environ.get("CHAOS_DAMAGES", "3"))  # of each kind of file, in the long form
SEED = int(os.environ.get("CHAOS_SEED", "0"))
_A_YEAR_S = 365 * 24 * 3600
RUN_S = 15.0  # about what `run` lasts; a kill that comes too late does not count


def test_killed_at_random_moments_every_stage_ends_with_the_same_files(tiny, capsys):
    kills = Kills(tiny, random.Random(SEED))
    each = N_KILLS // len(WORK)
    kills.of_the_stages(each)
    kills.of_run(N_KILLS - each * (len(WORK) - 1), RUN_S)
    with capsys.disabled():
        print("", *table(kills), sep="\n")  # noqa: T201
    assert kills.hits.total() >= N_KILLS and min(kills.hits[work] for work in WORK) >= each
    assert not kills.wrong


def test_damage_to_a_finished_file_is_mended_or_named(tiny, capsys):
    draw = random.Random(SEED)
    names = load_bearing(tiny.made)
    if LONG:
        files = kinds(tiny.made).values()
        names = [draw.choice(alike) for alike in files for _ in range(N_DAMAGES)]
    outcomes = [outcome_of(tiny, name, draw) for name in names]
    count = Counter(outcome.what for outcome in outcomes)
    with capsys.disabled():
        print("", dict(count), *(o for o in outcomes if o.what == "wrong"), sep="\n")  # noqa: T201
    assert count["mended"] and not count["wrong"]


def needs_mounts(nursery: Nursery) -> None:
    if not nursery.has_mounts:
        pytest.skip("`unshare --map-root-user --mount` is not possible here")


def test_a_full_disk_is_named_and_with_more_room_the_same_commands_go_on(tiny, nursery):
    needs_mounts(nursery)
    tiny.put(None)
    with nursery.mounted(tiny.workdir, "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
        for room in ("size=160k", "size=400k", "size=64m"):
            full = nursery.do(*tiny.all_stages())
            assert full.refusal and re.search("full|No space", full.refusal), full.said
            assert str(tiny.workdir) in full.refusal
            nursery.remount(tiny.workdir, room)
        assert_ends_as_undisturbed(tiny, nursery.sees(tiny.workdir))


def test_a_file_that_may_not_grow_is_refused_in_one_sentence(tiny, nursery):
    tiny.put(None)
    refused = nursery.do(*tiny.all_stages(), file_bytes=50_000)
    assert refused.refusal and str(tiny.workdir) in refused.refusal, refused.said
    assert_ends_as_undisturbed(tiny, tiny.workdir)


@pytest.mark.parametrize("made", [False, True])
def test_a_workdir_that_is_read_only_is_refused_in_one_sentence(tiny, nursery, made):
    needs_mounts(nursery)
    tiny.put(tiny.made if made else None)
    with nursery.mounted(tiny.workdir, "--bind", str(tiny.workdir)):
        nursery.remount(tiny.workdir, "bind,ro")
        refused = nursery.do(*tiny.all_stages())
        assert refused.refusal and "ead-only" in refused.refusal, refused.said
        assert str(tiny.workdir) in refused.refusal


def test_two_runs_at_once_in_one_workdir_end_as_one(tiny, nursery):
    tiny.put(None)
    ended = nursery.at_once([tiny.all_stages(), tiny.all_stages()])
    assert [one.exit for one in ended] == [0, 0], ended[0].said
    assert_ends_as_undisturbed(tiny, tiny.workdir)


def test_after_the_clock_went_back_by_a_year_the_same_commands_go_on(tiny, nursery):
    tiny.put(None)
    nursery.do(*(tiny.command(stage) for stage in ("scan", "plan")))
    assert nursery.do(tiny.command("train"), kill_after_s=tiny.seconds["train"] / 2).killed
    # What a clock that goes back leaves: all that is there is of the future. libfaketime would set
    # the clock itself, but breaks Python's `time.sleep` (its waits are monotonic).
    for path in tiny.workdir.rglob("*"):
        later = path.stat().st_mtime + _A_YEAR_S
        os.utime(path, (later, later))
    assert_ends_as_undisturbed(tiny, tiny.workdir)


@pytest.mark.parametrize("what", ["changed", "gone"])
def test_an_input_that_is_not_what_was_scanned_is_named(tiny, nursery, what):
    tiny.put(None)
    assert nursery.do(tiny.command("scan")).exit == 0
    catalogue = next(tiny.workdir.glob("data/catalogues/*/done.json")).parent.name
    image = tiny.scenes / "Beach" / "beach_0001.png"
    with altered(image, what):
        named = f"catalogue={catalogue}"  # as `run` gives to all that follows its scan
        refused = nursery.do(*tiny.all_stages("--set", named)[1:])
        assert refused.refusal and image.name in refused.refusal, refused.said


def test_an_input_that_was_lost_is_missed_by_the_next_scan(tiny, nursery):
    tiny.put(None)
    assert nursery.do(tiny.command("scan")).exit == 0
    with altered(tiny.scenes / "River" / "river_0000.png", "gone"):
        assert nursery.do(*tiny.all_stages()).exit == 0
        real = tiny.workdir.glob("data/datasets/tiny/*/*/*_[0-9]*.png")
        assert len([path for path in real if not path.name.startswith("synthetic_")]) == 22


@contextmanager
def altered(image: Path, what: str) -> Iterator[None]:
    """Change a byte of an input, or take it away; it comes back as it was."""
    aside = image.with_name(".aside")
    shutil.copy2(image, aside)
    try:
        if what == "gone":
            image.unlink()
        else:
            damage(image, random.Random(0))
        yield
    finally:
        aside.replace(image)


def assert_ends_as_undisturbed(tiny: TinyRun, found: Path) -> None:
    ended = tiny.nursery.do(*tiny.all_stages())
    assert ended.exit == 0, ended.said
    assert not differences(results(found), tiny.after["report"])
