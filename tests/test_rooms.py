import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("augment", "classifier", "terrabalance")
_LOAD_ALL = """
import importlib, json, pkgutil, sys
room = importlib.import_module(sys.argv[1])
found = [m.name for m in pkgutil.walk_packages(room.__path__, room.__name__ + ".")]
for name in found:
    importlib.import_module(name)
print(json.dumps([found, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def load_all(room: str) -> tuple[list[str], set[str]]:
    """Import every module of a room in a fresh process; its modules, all packages loaded."""
    run = subprocess.run(
        [sys.executable, "-c", _LOAD_ALL, room], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    modules, packages = json.loads(run.stdout.splitlines()[-1])
    return modules, set(packages)


def test_arrows_between_the_rooms_point_down():
    command = Path(sys.executable).with_name("lint-imports")
    if not command.exists():
        pytest.skip("import-linter is not installed; `pip install terrabalance[dev]` brings it")
    run = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_loads_without_prefect_and_without_its_neighbours(room: str):
    modules, packages = load_all(room)
    assert modules
    strangers = {"prefect", "flows", "augment", "classifier"} - {room}
    assert not packages & strangers


def test_the_wheel_holds_the_four_packages_only():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert sorted(build["targets"]["wheel"]["packages"]) == sorted(("flows", *ROOMS))
    assert build["dev-mode-exact"]
