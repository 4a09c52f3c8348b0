import random
import signal
from collections import Counter
from pathlib import Path

from forks import assert_same_files, fork, kill_once_there, run_to_the_end
from waiting import eventually

from terrabalance.files import read_json

from . import killable, lineage

_AFTER_REPORT_S = 0.05  # as long as a checkpoint takes


def test_a_killed_training_ends_with_the_same_weights(tmp_path):
    run_to_the_end(killable.train, tmp_path / "whole")
    kill_once_there(killable.train, tmp_path / "killed", "checkpoints/step_*.pt", 1)
    run_to_the_end(killable.train, tmp_path / "killed")
    assert_same_files(tmp_path / "whole", tmp_path / "killed", "*.safetensors")
    assert_same_files(tmp_path / "whole", tmp_path / "killed", "losses.csv")


def test_a_killed_sampling_ends_with_the_same_images(tmp_path):
    run_to_the_end(killable.sample, tmp_path / "a" / "whole")
    killed = tmp_path / "b" / "killed"
    kill_once_there(killable.sample, killed, "0*.png", 6)
    whole_before = {path.name: path.stat().st_mtime_ns for path in killed.glob("0*.png")}
    run_to_the_end(killable.sample, killed)
    assert_same_files(tmp_path / "a" / "whole", killed, "*.png")
    assert_same_files(tmp_path / "a" / "whole", killed, "manifest.csv")
    for name, written in whole_before.items():
        assert (killed / name).stat().st_mtime_ns == written, f"{name} was drawn again"


def _kill_at_random(folder: Path, within: int, draw: random.Random) -> str:
    """Start the lineage, SIGKILL it; return what it was at: `base`, `class`, or `done`.

    The moment is so many reports of progress away, at most `within`, and a little time. So it is
    on a busy machine, too, as often before a checkpoint as after one.
    """
    n_before, n_more = _n_reports(folder), draw.randint(0, within)
    process = fork(lineage.train, str(folder))
    eventually(
        lambda: not process.is_alive() or _n_reports(folder) >= n_before + n_more,
        "the lineage gets on",
        every_s=0.002,
    )
    process.join(draw.uniform(0, _AFTER_REPORT_S))
    process.kill()
    process.join()
    if process.exitcode == 0:
        return "done"
    assert process.exitcode == -signal.SIGKILL
    return "class" if (folder / "base" / "done.json").exists() else "base"


def _kill_often(home: Path, n_kills: int, within: int) -> tuple[Counter[str], list[Path]]:
    """Kill at random until base and class were both hit and all kills are spent.

    Returns:
        How often each was hit, and the folders: a new one whenever the lineage got through.
    """
    draw, hits, folders = random.Random(0), Counter[str](), [home / "killed-0"]
    while hits.total() < n_kills or len(hits) < 2:
        assert hits.total() < 5 * n_kills, f"it does not get on: {hits}"
        hit = _kill_at_random(folders[-1], within, draw)
        if hit == "done":
            folders.append(home / f"killed-{len(folders)}")
        else:
            hits[hit] += 1
    return hits, folders


def _reports(folder: Path) -> list[str]:
    """Return the reports of progress so far."""
    path = folder / lineage.REPORTED
    return path.read_text().splitlines() if path.is_file() else []


def _n_reports(folder: Path) -> int:
    return len(_reports(folder))


def _n_repeated(folder: Path) -> int:
    """Return how many reports of progress were made again, for want of a checkpoint."""
    reports = _reports(folder)
    return len(reports) - len(set(reports))


def _assert_same_lineage(left: Path, right: Path) -> None:
    for name in ("base", "Pond"):
        for pattern in ("*.safetensors", "*.csv"):
            assert_same_files(left / name, right / name, pattern)
        assert_same_files(left / name / "previews", right / name / "previews", "*.png")
        one, other = (read_json(home / name / "card.json") for home in (left, right))
        measured = {"seconds": 0, "peak_memory_bytes": 0}
        assert {**one, **measured} == {**other, **measured}
        one, other = (read_json(home / name / "done.json") for home in (left, right))
        for record in (one, other):
            del record["files"]["card.json"]  # which says how long it took
        assert one == other


def test_killed_at_random_moments_base_and_class_end_the_same(tmp_path):
    undisturbed = tmp_path / "whole"
    run_to_the_end(lineage.train, undisturbed)
    assert _n_repeated(undisturbed) == 0
    _, folders = _kill_often(tmp_path, 8, _n_reports(undisturbed) // 4)
    for folder in folders:
        run_to_the_end(lineage.train, folder)
        _assert_same_lineage(undisturbed, folder)
    assert sum(map(_n_repeated, folders)) > 0, "every kill came just after a checkpoint"
