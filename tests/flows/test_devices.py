import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness

from flows.config import RunConfig
from flows.devices import devices_here, free_one, on_device
from terrabalance.errors import BadInput

_GPUS = {"cuda:0": "uuid-a", "cuda:1": "uuid-b"}
_HOLD = """
import sys, time
from pathlib import Path
from flows.devices import free_one
with free_one({"cuda:0": "uuid-a"}, 1, Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_at_once_get_two_devices(tmp_path):
    with free_one(_GPUS, 1, tmp_path) as first, free_one(_GPUS, 1, tmp_path) as second:
        assert {first, second} == set(_GPUS)


def test_devices_are_shared_only_when_asked_and_then_evenly(tmp_path):
    with (
        free_one(_GPUS, 2, tmp_path) as a,
        free_one(_GPUS, 2, tmp_path) as b,
        free_one(_GPUS, 2, tmp_path),
    ):
        assert {a, b} == set(_GPUS)


def test_who_finds_no_free_device_waits_for_one(tmp_path):
    got = threading.Event()

    def wait() -> None:
        with free_one(_GPUS, 1, tmp_path):
            got.set()

    with free_one(_GPUS, 1, tmp_path), free_one(_GPUS, 1, tmp_path):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not got.wait(1.2)
    assert got.wait(5)
    thread.join()


def test_a_killed_holder_frees_its_device(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    with free_one({"cuda:0": "uuid-a"}, 1, tmp_path) as device:
        assert device == "cuda:0"


def test_the_cpu_is_held_against_nobody(tmp_path, scenes):
    config = RunConfig(data=scenes, workdir=tmp_path, device="cpu")
    with on_device(config) as here, on_device(config):
        assert here.device == "cpu"
    assert devices_here("cpu") == ["cpu"]


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(BadInput, match="cuda:7"):
        devices_here("cuda:7")


def test_an_unknown_limit_of_slots_says_how_to_make_it(tmp_path, scenes):
    config = RunConfig(data=scenes, workdir=tmp_path, execution={"slots": "gpus"})
    with (
        prefect_test_harness(server_startup_timeout=120),
        pytest.raises(BadInput, match="prefect gcl create gpus"),
        on_device(config),
    ):
        pass
