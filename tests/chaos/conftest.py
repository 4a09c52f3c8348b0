from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .processes import Nursery
from .tiny_run import TinyRun


@pytest.fixture(scope="session")
def nursery(
    prefect_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path_factory.mktemp("nursery"), prefect_home())
    yield nursery
    nursery.close()


@pytest.fixture(scope="session")
def tiny(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun(nursery, Path(tmp_path_factory.mktemp("tiny")))
