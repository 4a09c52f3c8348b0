"""2,000 changed inputs of strangers: each is read or refused in one sentence, at little cost.

The long form is `python -m tests.fuzz.campaign`.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .campaign import MOST_BYTES
from .pool import Worker
from .targets import Target, case, targets

NAMES = (
    "png", "jpeg", "webp", "tiff", "zip", "tar", "tar.gz", "tar.xz", "tar.bz2", "manifest",
    "settings", "sets", "table", "checkpoint", "generator weights", "generator card",
    "generator done", "classifier weights", "listing", "reviews",
)  # fmt: skip


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    return targets(tmp_path_factory.mktemp("targets"))


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    worker = Worker(Path(tmp_path_factory.mktemp("worker")))
    yield worker
    worker.close()


def test_every_target_is_fuzzed(known):
    assert set(known) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_file_is_read_or_refused(name, known, worker, tmp_path):
    target, valid = known[name], known[name].seeds(tmp_path)
    worker.renew()

    # No deadline: a busy machine takes its time. Nothing is kept: inputs may be others' crashes.
    @settings(
        max_examples=2000 // len(NAMES), deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    @given(st.randoms(use_true_random=False))
    def reads_or_refuses(draw: Random) -> None:
        answer = worker.read(name, case(valid, target, draw))
        assert answer.is_well and answer.n_bytes <= MOST_BYTES, answer

    reads_or_refuses()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_changed_is_read(name, known, worker, tmp_path):
    answers = [worker.read(name, data) for data in known[name].seeds(tmp_path)]
    assert {answer.outcome for answer in answers} == {"read"}
