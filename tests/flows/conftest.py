"""A tiny but whole job: three drawn classes, one to fill, networks of a few thousand weights."""

import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from spread import two_classes

from augment.scenes import draw_dataset
from flows.settings.config import RunConfig

_TINY_TOML = """
preset = "demo"
drawn = true
device = "cpu"
plan = { target = "max", rarest = 1 }
generator = { image_size = 16, dim = 8, dim_mults = [1, 2], timesteps = 5 }
base = { steps = 4, evaluations = 1, batch_size = 4, preview_every = 6, checkpoint_every = 3 }
training = { steps = 6, evaluations = 2, batch_size = 4, preview_every = 6, checkpoint_every = 3 }
sampling = { steps = 4 }
classifier = { model = "test_resnet", image_size = 32, steps = 4, batch_size = 8, seeds = [0, 1] }
"""


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Settings of the tiny job, but for `data` and `workdir`."""
    return tomllib.loads(_TINY_TOML)


@pytest.fixture(scope="session")
def server_address(prefect_home, tmp_path_factory) -> Iterator[str]:
    """A Prefect server for all files of tests that need any."""
    from prefect_server import environment_of, served  # takes seconds

    environment = environment_of(prefect_home())
    with served(environment, tmp_path_factory.mktemp("server") / "log"):
        yield environment["PREFECT_API_URL"]


@pytest.fixture(scope="module")
def server(server_address) -> Iterator[None]:
    """That server is the one that flows of this process report to."""
    from prefect_server import forget_server

    from flows.orchestrate.embedded import reported_to

    with reported_to(server_address):
        yield
        forget_server()


@pytest.fixture
def tiny_toml(tmp_path) -> Path:
    """The same as a file for --config."""
    path = tmp_path / "tiny.toml"
    path.write_text(_TINY_TOML)
    return path


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """A folder of 10 Forest, 8 River and 5 Beach, 32 px."""
    counts = {"Forest": 10, "River": 8, "Beach": 5}
    return draw_dataset(tmp_path_factory.mktemp("drawn") / "scenes", counts, side_px=32)


@pytest.fixture(scope="session")
def job(scenes, tiny) -> Callable[..., RunConfig]:
    """Settings of a job that is spread and struck, given a workdir and how to execute it."""
    return partial(two_classes, scenes, tiny)
