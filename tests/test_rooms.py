import ast
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


def test_what_lists_plans_and_checks_needs_no_network_library(tmp_path):
    """`scan`, `verify`, `cache`, `settings` and help start in a second: torch alone takes three."""
    heavy = {"torch", "timm", "sklearn", "prefect", "matplotlib"}
    for module in (
        "flows.cli.app", "flows.stages.catalogue", "flows.store.cache", "augment.dataset.verify",
        "flows.cli.console", "flows.settings.config", "flows.stages.dataset", "flows.stages.export",
        "flows.stages.long_tail",
    ):  # fmt: skip
        code = f"import sys, {module}; print(sorted({heavy!r} & set(sys.modules)))"
        run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
        assert (run.stdout, run.stderr) == ("[]\n", ""), module


def functions_of(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.walk(ast.parse(path.read_text()))
    return [node for node in tree if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_no_file_and_no_function_is_long():
    """300 lines a file, 60 a function; ruff's C901 holds how complex one may be."""
    files = [path for room in ("flows", *ROOMS, "tests") for path in (ROOT / room).rglob("*.py")]
    assert not {path.name: n for path in files if (n := len(path.read_text().splitlines())) > 300}
    long = {
        f"{path.name}:{function.name}": n
        for path in files
        for function in functions_of(path)
        if (n := (function.end_lineno or 0) - function.lineno + 1) > 60
    }
    assert not long
