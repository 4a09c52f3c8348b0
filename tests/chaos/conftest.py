from pathlib import Path

import pytest
from processes import Nursery

from .tiny_run import TinyRun


@pytest.fixture(scope="session")
def tiny(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun(nursery, Path(tmp_path_factory.mktemp("tiny")))
