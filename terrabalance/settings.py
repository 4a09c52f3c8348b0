"""The base of every settings model: frozen, and a misspelt key is an error that names itself."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


# However a path is written, from wherever, it is the same setting: a run's name follows from them.
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
DeviceName = Annotated[
    str, StringConstraints(pattern=r"^(auto|cpu|mps|cuda|cuda:\d+(,cuda:\d+)*)$")
]


class Settings(BaseModel):
    """Frozen pydantic model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
