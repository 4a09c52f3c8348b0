"""What `terrabalance doctor` says of a machine: each warning brought about for real."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from prefect_server import ROOT
from typer.testing import CliRunner
from users import needs_a_user, run_as_user
from waiting import PATIENCE_S

from flows.cli.app import app
from flows.cli.checks.devices import check_cores, check_device, check_preset, preset_for
from flows.cli.checks.packages import EXTRAS, check_extras
from flows.cli.checks.places import check_disk, check_links, check_workdir
from flows.settings.presets import PRESETS
from terrabalance.files import write_text
from terrabalance.machine import usable_cores

NAMES = [
    "python", "torch", "packages", "extras", "device", "cores", "precision", "memory", "disk",
    "workdir", "links", "prefect", "preset", "weights",
]  # fmt: skip


def python(tmp_path: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Python as a user without a Prefect server, in a folder that is empty."""
    others = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    paths = [more.pop("PYTHONPATH", ""), str(ROOT)]
    home = {"PREFECT_HOME": str(tmp_path / "prefect"), "PYTHONPATH": ":".join(filter(None, paths))}
    (tmp_path / "work").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, *words], cwd=tmp_path / "work", env={**others, **home, **more},
        capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip


def doctor(tmp_path: Path, *words: str, **more: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and every check by its name."""
    result = python(tmp_path, "-m", "flows", "doctor", "--json", *words, **more)
    assert "Traceback" not in result.stderr
    told = json.loads(result.stdout)
    assert list(told) == ["terrabalance", "ok", "checks"]
    assert told["ok"] == (result.returncode == 0)
    assert {tuple(check) for check in told["checks"]} == {("name", "state", "found", "advice")}
    assert [check["name"] for check in told["checks"]] == NAMES
    return result.returncode, {check["name"]: check for check in told["checks"]}


def test_a_machine_that_works_is_told_so_and_nothing_is_left_there(tmp_path):
    code, told = doctor(tmp_path)
    assert code == 0 and {check["state"] for check in told.values()} <= {"ok", "warning"}
    assert told["torch"]["found"].startswith(f"torch {torch.__version__}, torchvision ")
    assert told["prefect"]["found"].startswith("PREFECT_API_URL names no server")
    assert "auto takes" in told["precision"]["found"]
    assert told["preset"]["found"] in PRESETS
    assert not list((tmp_path / "work").iterdir())


def test_what_is_broken_is_told_beside_all_the_rest_with_exit_code_1(tmp_path):
    """A torchvision of another build raises where it is imported; timm and more import it."""
    raises = "raise RuntimeError('operator torchvision::nms does not exist')\n"
    write_text(tmp_path / "broken" / "torchvision" / "__init__.py", raises)
    # Prefect's settings are read from the environment.
    code, told = doctor(
        tmp_path, PYTHONPATH=str(tmp_path / "broken"), PREFECT_SERVER_EPHEMERAL_ENABLED="false"
    )
    broken = {name for name, check in told.items() if check["state"] == "broken"}
    assert code == 1 and broken == {"torch", "packages", "prefect", *({"weights"} & broken)}
    assert "operator torchvision::nms does not exist" in told["torch"]["found"]
    assert told["torch"]["advice"] == "pip install --force-reinstall torch torchvision"
    assert told["packages"]["found"].startswith("timm: operator torchvision")
    assert told["prefect"]["found"].startswith("PREFECT_SERVER_EPHEMERAL_ENABLED=false: no server")
    assert told["prefect"]["advice"] == "Name one, or set it to true"


def test_in_words_each_check_is_a_line_with_what_mends_it_below(tmp_path):
    """A fastapi of whose versions Prefect's server fails, as its metadata says."""
    metadata = "Metadata-Version: 2.1\nName: fastapi\nVersion: 0.151.0\n"
    write_text(tmp_path / "newer" / "fastapi-0.151.0.dist-info" / "METADATA", metadata)
    words = ["-m", "flows", "doctor", "--workdir", "not/there/yet"]
    result = python(tmp_path, *words, PYTHONPATH=str(tmp_path / "newer"), COLUMNS="150")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [words[1] for words in lines if words[0] in ("ok", "warning", "broken")] == NAMES
    assert result.returncode == 1
    at = next(number for number, words in enumerate(lines) if words[:2] == ["broken", "packages"])
    assert " ".join(lines[at][2:]) == "do not fit: fastapi 0.151.0"
    assert " ".join(lines[at + 1]) == "> pip install 'fastapi<0.151'"
    assert not list((tmp_path / "work").iterdir())


def test_an_address_that_cannot_be_one_is_refused_before_torch_is_imported(tmp_path):
    script = (
        "import sys\nfrom flows.cli.app import main\nsys.argv[1:] = ['doctor', '--workdir', "
        "'memory://x']\ntry:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    )
    result = python(tmp_path, "-c", script)
    assert (result.returncode, result.stdout) == (2, "False\n")
    assert result.stderr.startswith("error: 'memory://x': is in the memory of one process")


def test_the_list_of_commands_names_it():
    assert "doctor" in CliRunner().invoke(app, ["--help"]).output


@needs_a_user
def test_a_workdir_that_may_not_be_written_is_broken(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    script = (
        "import sys, json; from pathlib import Path; from dataclasses import asdict\n"
        "from flows.cli.checks.places import check_workdir\n"
        "from flows.cli.doctor import _finding_of\nfolder = Path(sys.argv[1]) / 'work'\n"
        "found = _finding_of('workdir', lambda: check_workdir(str(folder), folder))\n"
        "print(json.dumps(asdict(found)))"
    )
    found = json.loads(run_as_user(script, closed))
    assert (found["name"], found["state"]) == ("workdir", "broken")
    assert found["found"].startswith(str(closed)) and "no permission" in found["found"]
    assert found["advice"] == "Let this user do so, or give another folder"


def test_a_workdir_that_is_not_there_is_not_made(tmp_path):
    folder = tmp_path / "new" / "deep"
    assert check_workdir(str(folder), folder).found == f"{folder} can be made"
    assert check_disk(folder).found.endswith(f" GB free at {tmp_path}")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no /dev/shm here")
def test_a_workdir_on_another_disk_gets_copies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check_links(tmp_path).found == "a dataset takes no room for images of the current folder"
    monkeypatch.chdir("/dev/shm")
    found = check_links(tmp_path)
    assert found.state == "ok" and found.found.startswith("a dataset gets copies of the images: ")


def test_more_threads_than_cores_are_a_warning():
    before = torch.get_num_threads()
    torch.set_num_threads(usable_cores() + 1)
    try:
        found = check_cores()
    finally:
        torch.set_num_threads(before)
    assert found.state == "warning" and found.advice.startswith("export OMP_NUM_THREADS=")
    assert check_cores().state == "ok"


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch has CUDA here")
def test_a_gpu_that_torch_cannot_use_is_a_warning_with_the_reason(tmp_path, monkeypatch):
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'NVIDIA A10, 580.65.06'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = check_device()
    assert found.state == "warning" and found.advice
    assert found.found.startswith("cpu, while NVIDIA A10, driver 580.65.06 stands idle: ")
    if torch.version.cuda:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        assert check_device().found.endswith("idle: CUDA_VISIBLE_DEVICES='' hides it")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpus_are_named_with_their_memory():
    found = check_device()
    assert found.state == "ok" and torch.cuda.get_device_name(0) in found.found
    assert "GiB free" in found.found and check_preset().found != "tutorial"


@pytest.mark.parametrize(
    ("gib", "preset"),
    [(0, "cpu"), (5.8, "cpu"), (7.6, "8gb"), (15.7, "8gb"), (22.5, "24gb"), (47.4, "24gb"),
     (79.2, "datacenter"), (139.8, "datacenter")],
)  # fmt: skip
def test_the_preset_is_that_of_the_gpus_memory(gib, preset):
    """GiB as cards of 0, 6, 8, 16, 24, 48, 80 and 141 GB report them."""
    assert preset_for(gib) == preset


def test_every_extra_for_users_is_told():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert set(EXTRAS) == set(extras) - {"dev", "docs", "fuzz"}
    found = check_extras().found
    assert all(name in found for name in EXTRAS)


_WEIGHTS = """
from flows.cli.checks.services import check_weights
for preset in ("cpu", "8gb"):
    found = check_weights(preset)
    print(found.state, found.found, found.advice, sep=" | ")
"""


def test_weights_that_are_not_there_are_named_and_a_warning_where_no_hub_may_be_asked(tmp_path):
    home = {"HF_HOME": str(tmp_path / "hub"), "TORCH_HOME": str(tmp_path / "hub")}
    missing = "not in the cache: resnet50, vit_small_patch14_dinov2.lvd142m, which the preset 8gb"
    for offline, state in (("0", "ok"), ("1", "warning")):
        result = python(tmp_path, "-c", _WEIGHTS, HF_HUB_OFFLINE=offline, **home)
        cpu, gpu = result.stdout.splitlines()
        assert cpu.startswith("ok | the preset cpu needs none")
        assert gpu.startswith(f"{state} | {missing}") and "--weights FILE" in gpu
    assert "unset HF_HUB_OFFLINE" in gpu


def test_weights_in_the_cache_of_the_hub_are_found(tmp_path):
    for model in ("resnet50.a1_in1k", "vit_small_patch14_dinov2.lvd142m"):
        folder = tmp_path / "hub" / "hub" / f"models--timm--{model}"
        write_text(folder / "refs" / "main", "0123")
        write_text(folder / "snapshots" / "0123" / "model.safetensors", "")
    result = python(tmp_path, "-c", _WEIGHTS, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "hub"))
    assert result.stdout.splitlines()[1].startswith("ok | resnet50, vit_small")
