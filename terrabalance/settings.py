"""The base of every settings model: frozen, and a misspelt key is an error that names itself."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


# However a path is written, from wherever, it is the same setting: a run's name follows from them.
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class Settings(BaseModel):
    """Frozen pydantic model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
