"""What all tests share: small real images, and one thread a process where that decides speed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from processes import Nursery

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

# The networks here are tiny: a second thread costs more in waiting than it brings.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

# Files that wait for servers, workers and clusters, the longest first.
_LONG = ("test_workers.py", "test_runners.py", "test_app.py", "test_deploy.py")
# Files that share what each process of tests makes for itself: a Prefect server, or a warm process
# to fork from. Each takes some 10 s of processor time; the server, later, 1 s in 20 as well.
_TOGETHER = {
    **dict.fromkeys(("test_runners.py", "test_balance.py", "test_deploy_broken.py"), "server"),
    **dict.fromkeys(("test_app.py", "test_surroundings.py", "test_chaos.py"), "nursery"),
}

SHARED = Path(__file__).parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: at the end, one core would wait minutes for it."""
    places = {name: place for place, name in enumerate(_LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(_LONG)))


@pytest.hookimpl(optionalhook=True)  # there is none without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give all files of a group to one process, where xdist would give each to any."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return _TOGETHER.get(Path(file).name, file)

    return Together(config, log)


@pytest.fixture(scope="session")
def aid() -> Path:
    """The real images, where this checkout has them beside it."""
    if not (SHARED / "aid").is_dir():
        pytest.skip("../shared/aid is not here: the real AID images do not ship with the project")
    return SHARED


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory) -> Callable[[], Path]:
    """Makes homes for Prefect, each with a database."""
    from prefect_server import homes  # takes seconds, and few tests need it

    base = tmp_path_factory.getbasetemp()
    return homes(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


@pytest.fixture(scope="session")
def nursery(prefect_home, tmp_path_factory) -> Iterator[Nursery]:
    """A warm process that forks commands: they begin at once instead of after seconds of imports.

    Each has an environment as from a shell, but for Prefect's home.
    """
    nursery = Nursery(tmp_path_factory.mktemp("nursery"), prefect_home())
    yield nursery
    nursery.close()


@pytest.fixture
def squares() -> np.ndarray:
    """(12, 3, 16, 16) uint8: smooth colour gradients, each in its own direction."""
    y, x = np.mgrid[0:16, 0:16] / 15
    turns = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ramps = [(np.cos(a) * x + np.sin(a) * y) * 60 + 128 for a in turns]
    return np.stack([np.stack([r, 255 - r, r * 0.5]) for r in ramps]).astype(np.uint8)


@pytest.fixture
def cpu() -> torch.device:
    return torch.device("cpu")
