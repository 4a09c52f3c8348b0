"""The base of every settings model: frozen, and a misspelt key is an error that names itself."""

from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, model_validator


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


# However a path is written, from wherever, it is the same setting: a run's name follows from them.
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
DeviceName = Annotated[
    str, StringConstraints(pattern=r"^(auto|cpu|mps|cuda|cuda:\d+(,cuda:\d+)*)$")
]


class Settings(BaseModel):
    """Frozen pydantic model that refuses unknown keys.

    A field that may be None also takes the word `none`, as the command line and TOML have no other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _none_as_written(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        empty = {
            name
            for name, field in cls.model_fields.items()
            if given.get(name) == "none" and NoneType in get_args(field.annotation)
        }
        return {name: None if name in empty else value for name, value in given.items()}
