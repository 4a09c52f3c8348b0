import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from terrabalance.errors import UnreadableImage
from terrabalance.rasters.memory import claim_memory, room_for

HUGE, SMALL = 2**40, 2**20
_PATIENCE = 60  # seconds after which a thread that should have gone on has not


class _Crowd:
    """How many threads are in a block, and the most that ever were."""

    def __init__(self) -> None:
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def __enter__(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.now -= 1


def test_large_images_are_read_one_after_another_whatever_the_threads() -> None:
    crowd = _Crowd()

    def read(_: int) -> None:
        with room_for(Path("a")):
            claim_memory(HUGE)
            with crowd:
                claim_memory(HUGE)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(200)))
    assert crowd.most == 1


def test_small_images_are_read_side_by_side() -> None:
    together = threading.Barrier(8)

    def read(_: int) -> int:
        with room_for(Path("a")):
            claim_memory(SMALL)
            return together.wait(_PATIENCE)  # which raises unless all eight are here at once

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(read, range(8))) == list(range(8))


def test_a_claim_that_grows_waits_with_nothing_in_hand() -> None:
    """Else two threads that both hold a part would wait for each other."""

    def read(_: int) -> None:
        with room_for(Path("a")):
            for n_bytes in (SMALL, 2**29, 2**30, HUGE):
                claim_memory(n_bytes)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(400), timeout=_PATIENCE))


def test_what_was_held_is_given_back_when_reading_fails() -> None:
    for _ in range(3):
        with pytest.raises(KeyError), room_for(Path("a")):
            claim_memory(HUGE)
            raise KeyError
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(_read_huge).result(_PATIENCE)


def _read_huge() -> bool:
    with room_for(Path("a")):
        claim_memory(HUGE)
    return True


def test_a_fork_does_not_wait_for_what_threads_of_its_parent_hold() -> None:
    with room_for(Path("a")):
        claim_memory(HUGE)
        child = os.fork()
        if not child:
            os._exit(0 if ThreadPoolExecutor(1).submit(_read_huge).result(_PATIENCE) else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_memory_that_runs_out_is_the_problem_of_the_file() -> None:
    said = r"b\.tif: memory ran out .* cut it into patches"
    with pytest.raises(UnreadableImage, match=said), room_for(Path("b.tif")):
        bytearray(2**62)
