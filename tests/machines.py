"""Machines that share a store: a working copy each, and what they leave in the bucket."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.settings.config import RunConfig

Machine = Callable[[str], None]


def files_below(folder: Path) -> dict[str, bytes]:
    """What a person would compare: no lock, no hidden file, no log of TensorBoard."""
    found = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*")}
    return {
        path: file.read_bytes()
        for path, file in found.items()
        if file.is_file() and "tensorboard" not in path and "/." not in f"/{path}"
    }


def there(config: RunConfig, on_machine: Machine, name: str = "two") -> tuple[RunConfig, Path]:
    """The same run and folder on another machine."""
    on_machine(name)
    again = RunConfig(**config.model_dump(mode="json"))
    return again, again.workdir / "data" / "generators" / "Beach-1"


def in_bucket(address: str) -> str:
    return address.removeprefix("s3://")


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("this was made already")


def interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt
