import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from waiting import PATIENCE_S

from flows.orchestrate.runners.local import pool_size
from flows.settings.config import RunConfig
from flows.store.devices import devices_here, devices_of_class, held, holding
from terrabalance.errors import BadInput

_GPUS = {"cuda:0": "uuid-a", "cuda:1": "uuid-b"}
_HOLD = """
import sys
from pathlib import Path
from flows.store.devices import holding
with holding({"cuda:0": "uuid-a"}, 1, 1, Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

_TWICE = """
import sys, time
from pathlib import Path
from flows.store.devices import holding
for _ in range(2):
    with holding({"cuda:0": "uuid-a", "cuda:1": "uuid-b"}, 2, 1, Path(sys.argv[1])):
        began = time.time()
        time.sleep(0.1)
        print(began, time.time(), flush=True)
"""


def test_two_at_once_get_two_devices(tmp_path):
    with holding(_GPUS, 1, 1, tmp_path) as first, holding(_GPUS, 1, 1, tmp_path) as second:
        assert {*first, *second} == set(_GPUS)


def test_devices_are_shared_only_when_asked_and_then_evenly(tmp_path):
    with (
        holding(_GPUS, 1, 2, tmp_path) as a,
        holding(_GPUS, 1, 2, tmp_path) as b,
        holding(_GPUS, 1, 2, tmp_path),
    ):
        assert {*a, *b} == set(_GPUS)


def test_who_finds_no_free_device_waits_for_one(tmp_path):
    got = threading.Event()

    def wait() -> None:
        with holding(_GPUS, 1, 1, tmp_path):
            got.set()

    with holding(_GPUS, 2, 1, tmp_path):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not got.wait(1.2)
    assert got.wait(PATIENCE_S)
    thread.join()


def test_a_killed_holder_frees_its_device(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    with holding({"cuda:0": "uuid-a"}, 1, 1, tmp_path) as devices:
        assert devices == ["cuda:0"]


def test_who_needs_two_gets_two_different_ones(tmp_path):
    with holding(_GPUS, 1, 2, tmp_path), holding(_GPUS, 2, 2, tmp_path) as both:
        assert sorted(both) == sorted(_GPUS)


def test_several_processes_that_each_need_two_take_turns_and_never_wait_for_each_other(tmp_path):
    command = [sys.executable, "-c", _TWICE, str(tmp_path)]
    home = Path(__file__).parents[3]
    takers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=home) for _ in range(3)
    ]
    spans = []
    for taker in takers:
        spans += [line.split() for line in taker.communicate(timeout=PATIENCE_S)[0].splitlines()]
        assert taker.returncode == 0
    assert len(spans) == 6
    times = [float(time) for span in sorted(spans) for time in span]
    assert times == sorted(times), "two held the same devices at once"


def test_who_collects_two_does_not_hold_up_those_who_need_one(tmp_path):
    three, got = {**_GPUS, "cuda:2": "uuid-c"}, threading.Event()

    def wait() -> None:
        with holding(_GPUS, 2, 1, tmp_path):
            got.set()

    with holding({"cuda:0": "uuid-a"}, 1, 1, tmp_path):
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.2)
        with holding(three, 1, 1, tmp_path) as devices:
            assert devices == ["cuda:2"] and not got.is_set()
    assert got.wait(PATIENCE_S)
    thread.join()


def test_the_cpu_is_held_against_nobody(tmp_path, scenes):
    config = RunConfig(data=scenes, workdir=tmp_path, device="cpu")
    with held(config) as one, held(config, 2):
        assert [str(device) for device in one] == ["cpu"]
    assert devices_here("cpu") == ["cpu"]


def test_on_the_cpu_a_class_has_as_many_processes_as_asked_for(tmp_path, scenes):
    config = RunConfig(data=scenes, workdir=tmp_path, execution={"devices_per_class": 3})
    cpu = config.model_copy(update={"device": "cpu"})
    assert [str(device) for device in devices_of_class(cpu)] == ["cpu"] * 3


@pytest.mark.parametrize("name", ["cuda:7", "cuda:7,cuda:8"])
def test_a_device_that_is_not_there_is_named(name):
    with pytest.raises(BadInput, match="cuda:7"):
        devices_here(name)


def test_a_machine_does_as_many_classes_at_once_as_it_has_gpus_for(tmp_path, scenes, monkeypatch):
    for module in ("store.devices", "orchestrate.runners.local"):
        monkeypatch.setattr(f"flows.{module}.devices_here", lambda name: [*_GPUS, "cuda:2"])

    def config(n: int) -> RunConfig:
        return RunConfig(data=scenes, workdir=tmp_path, execution={"devices_per_class": n})

    assert [pool_size(config(n), n) for n in (1, 2, 3)] == [3, 1, 1]
    with pytest.raises(BadInput, match=r"devices_per_class=4: device=auto is 3 here \(cuda:0, "):
        pool_size(config(4), 4)


def test_slots_are_as_many_as_devices_and_a_limit_that_cannot_do_says_what_to_do(
    server, tmp_path, scenes
):
    config = RunConfig(data=scenes, workdir=tmp_path, device="cpu", execution={"slots": "gpus"})
    with get_client(sync_client=True) as client:
        with pytest.raises(BadInput, match="prefect gcl create gpus"), held(config):
            pass
        limit = GlobalConcurrencyLimitCreate(name="gpus", limit=2)
        client.create_global_concurrency_limit(limit)
        with held(config, 2):
            assert client.read_global_concurrency_limit_by_name("gpus").active_slots == 2
        with (
            pytest.raises(BadInput, match="has 2 slots, and a class takes 3"),
            held(config, 3),
        ):
            pass
