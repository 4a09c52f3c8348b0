"""An S3 server on loopback (moto), a machine with a working copy of its own; a run with a base."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import timm
from machines import Machine
from moto.server import ThreadedMotoServer
from safetensors.torch import save_file

import flows.stages.generators
from augment.train.training import train_generator
from flows.settings.config import RunConfig
from flows.store import remote
from terrabalance.files import write_text
from terrabalance.finished import mark_done

from .bases import changed, train_all

logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for every request


@pytest.fixture(scope="session")  # moto's buckets are the process's
def s3() -> Iterator[fsspec.AbstractFileSystem]:
    """The file system of an S3 server with an empty bucket."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "us-east-1",
            "NO_PROXY": host,
        }.items():  # fmt: skip
            patch.setenv(name, value)
        found = fsspec.filesystem("s3", use_listings_cache=False)
        found.mkdir("bucket")
        yield found
    server.stop()


@pytest.fixture
def address(s3, request) -> str:
    """A place of the test's own in the bucket."""
    return f"s3://bucket/{request.node.name}"


@pytest.fixture
def on_machine(tmp_path, monkeypatch) -> Machine:
    """Go on as another machine, by name."""
    monkeypatch.setattr(remote, "_WAITS_S", (0.0, 0.0))

    def go(name: str) -> None:
        monkeypatch.setenv("TERRABALANCE_CACHE", str(tmp_path / name))

    go("one")
    return go


@pytest.fixture
def result(address, on_machine) -> tuple[RunConfig, Path]:
    """A finished folder of one machine, not published yet."""
    config = RunConfig(data=Path("nowhere"), workdir=address)
    folder = config.workdir / "data" / "generators" / "Beach-1"
    write_text(folder / "a.txt", "a")
    write_text(folder / "deep" / "b.txt", "b")
    mark_done(folder, {"by": "one"})
    return config, folder


@pytest.fixture(scope="session")
def first(scenes, tiny, tmp_path_factory) -> RunConfig:
    """A run that trained a base and two classes, judged by a network that no data decides."""
    root = tmp_path_factory.mktemp("first")
    data = shutil.copytree(scenes, root / "scenes")
    judge = {"model": "test_resnet", "weights": root / "judge.safetensors", "image_size": 32}
    save_file(timm.create_model("test_resnet").state_dict(), judge["weights"])
    given = {**tiny, "plan": {"target": "max", "rarest": 2}, "fidelity": judge}
    config = RunConfig(data=data, workdir=root / "work", **given)
    train_all(config)
    return config


@pytest.fixture
def pinned(first, tmp_path) -> RunConfig:
    """The same on a copy of all that, with its base named."""
    shutil.copytree(first.data.parent, tmp_path, dirs_exist_ok=True)
    (base,) = (tmp_path / "work" / "data" / "generators").glob("base-*[0-9a-f]")
    return changed(first, data=tmp_path / "scenes", workdir=tmp_path / "work", base_from=base.name)


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """What is trained from now on."""
    found: list[str] = []

    def counted(data: Any, spec: Any, *more: Any) -> Path:
        found.append(spec.title)
        return train_generator(data, spec, *more)

    monkeypatch.setattr(flows.stages.generators, "train_generator", counted)
    return found
