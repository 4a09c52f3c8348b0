"""One generator over two processes, which talk by gloo: nothing here is simulated."""

import csv
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from waiting import eventually

import augment.train.training
from augment.network.card import WEIGHTS, read_card
from augment.network.learned import SKETCHES
from augment.train.batches import Batch
from augment.train.process_group import ProcessGroup
from terrabalance.errors import BadInput, ProcessLost, TrainingDiverged
from terrabalance.files import sha256_of

from . import two_ranks

SCRIPT = Path(two_ranks.__file__)


class Stopped(Exception):
    pass


def losses_of(folder: Path) -> list[list[float]]:
    with (folder / "losses.csv").open() as file:
        return [[float(value) for value in row.values()] for row in csv.DictReader(file)]


def files_of(folder: Path) -> set[str]:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith("tensorboard")}


def assert_close(left: Path, right: Path) -> None:
    """Compare two generators up to rounding."""
    ours, theirs = load_file(left / WEIGHTS), load_file(right / WEIGHTS)
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name], atol=1e-5, rtol=1e-3)
    for ours, theirs in zip(losses_of(left), losses_of(right), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3)


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    return two_ranks.train(tmp_path_factory.mktemp("alone"), two_ranks.spec(), n=1)


def test_two_processes_make_what_one_makes_also_where_they_cannot_share_evenly(alone, tmp_path):
    reports = []
    folder = two_ranks.train(
        tmp_path, two_ranks.spec(), on_progress=lambda *said: reports.append(said[:2])
    )
    assert_close(alone, folder)
    assert files_of(folder) == files_of(alone)
    assert reports == [(4, 12), (6, 12), (8, 12), (10, 12), (12, 12)]
    card = read_card(folder)
    assert card["unlabelled"] == two_ranks.OF_MORE.model_dump()
    assert (folder / SKETCHES).is_file()
    assert card["devices"] == 2 and card["images_seen"] == 120 and card["chosen"]["kid"]
    assert not multiprocessing.active_children()


def test_a_killed_rank_is_reported_in_a_line_and_the_rerun_ends_as_if_it_had_lived(tmp_path):
    made = two_ranks.spec(dropout=0.5)
    whole = two_ranks.train(tmp_path / "whole", made)

    def kill_second(done: int, total: int, message: str = "") -> None:
        if done == 8:
            ranks = sorted(multiprocessing.active_children(), key=lambda child: child.name)
            ranks[1].kill()

    with pytest.raises(ProcessLost, match=r"^process 2 of 2 .* Pond: killed by SIGKILL.*again"):
        two_ranks.train(tmp_path / "struck", made, on_progress=kill_second)
    assert not multiprocessing.active_children()
    assert not (tmp_path / "struck" / "done.json").exists()
    shutil.copytree(tmp_path / "struck", tmp_path / "alone")
    struck = two_ranks.train(tmp_path / "struck", made)
    for name in (WEIGHTS, "losses.csv", "looks.csv", "previews/step_0000012.png"):
        assert sha256_of(whole / name) == sha256_of(struck / name), name
    on = two_ranks.train(tmp_path / "alone", made, n=1)
    assert losses_of(on)[:1] == losses_of(whole)[:1] and read_card(on)["devices"] == 1


def test_what_two_began_one_can_end(alone, tmp_path):
    def stop(done: int, total: int, message: str = "") -> None:
        if done == 8:
            raise Stopped

    with pytest.raises(Stopped):
        two_ranks.train(tmp_path, two_ranks.spec(), on_progress=stop)
    assert not multiprocessing.active_children()
    assert (tmp_path / "checkpoints" / "step_0000006.pt").is_file()
    assert_close(alone, two_ranks.train(tmp_path, two_ranks.spec(), n=1))


def test_all_go_back_together_and_give_up_with_the_same_line_as_one(tmp_path):
    made = two_ranks.spec(learning_rate=1e30, evaluations=0, warmup_steps=0)
    with pytest.raises(TrainingDiverged, match=r"^Pond: loss nan.*training\.learning_rate"):
        two_ranks.train(tmp_path, made)


def test_short_of_memory_on_one_all_cut_their_parts_and_the_steps_stay_the_same(
    alone, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(augment.train.training, "_train_as_rank", two_ranks.short_of_memory)
    folder = two_ranks.train(tmp_path, two_ranks.spec())
    assert caplog.text.count("out of memory") == 2 and "with 1 images at once" in caplog.text
    assert_close(alone, folder)


def test_without_who_started_them_no_rank_lives_on(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    ranks = list(map(int, parent.stdout.readline().split()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    eventually(lambda: not any(map(is_alive, ranks)), "the ranks have ended", every_s=0.05)
    assert len(ranks) == 2


def test_what_ranks_are_forked_from_has_asked_nothing_of_cuda():
    # A fork of a process that has could not use it: see torch.multiprocessing's documentation.
    script = (
        "import sys, torch; asked = []\n"
        "for each in ('_cuda_init', '_cuda_getDeviceCount'):\n"
        "    if hasattr(torch._C, each): setattr(torch._C, each, lambda: asked.append(1) or 0)\n"
        "import augment.train.training; sys.exit(len(asked))"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_fewer_images_than_devices_say_what_to_do(tmp_path):
    with pytest.raises(
        BadInput, match=r"Pond: a batch of 5 .* 6 devices\. Raise .*training\.batch"
    ):
        two_ranks.train(tmp_path, two_ranks.spec(), n=6)


def test_shards_are_all_of_a_batch_and_differ_by_one_image_at_most():
    group, parts = ProcessGroup(), []
    for group.size, group.rank in ((3, 0), (3, 1), (3, 2)):
        parts.append(group.shard(Batch(*[torch.arange(5)] * 5)).images.tolist())
    assert parts == [[0, 1], [2, 3], [4]]
