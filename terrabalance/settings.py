"""The base of every settings model: frozen, and a misspelt key is an error that names itself."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, ClassVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from terrabalance.wording import shown

MOST = 100_000_000  # of what is counted and has no bound by itself, such as steps
HIGHEST_SEED = 2**53 - 1  # the highest that a form in a browser keeps exactly
LONGEST_PATH = 4096  # bytes
_LONGEST_PART = 255  # bytes of a name in a path

Seed = Annotated[int, Field(ge=0, le=HIGHEST_SEED)]


def absolute_path(path: Path) -> Path:
    """Return a path that a file system can have, absolute, `~` and `..` resolved.

    A result is named by its paths: one file needs one spelling from any folder. Links are followed
    where there is a `..`, as the system does it.

    Raises:
        ValueError: it cannot be one.
    """
    try:
        found = path.expanduser().absolute()
        parts = [len(part.encode()) for part in found.parts]
    except RuntimeError as error:  # ~somebody
        raise ValueError(f"{shown(str(path))}: there is no such home folder") from error
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{shown(str(path))} is not UTF-8, as reports are. Rename the file or folder"
        ) from error
    if "\0" in str(found):
        raise ValueError("a path cannot hold the character NUL")
    if max(parts) > _LONGEST_PART or sum(parts) + len(parts) > LONGEST_PATH:
        raise ValueError(
            f"{shown(str(path))} is too long: {_LONGEST_PART} bytes for a name and "
            f"{LONGEST_PATH} for all are the most"
        )
    # Not `Path.resolve`, which raises for links that lead in a circle.
    return Path(os.path.realpath(found)) if ".." in found.parts else found


# However a path is written, from wherever, it is the same setting: a run's name follows from them.
AbsolutePath = Annotated[Path, AfterValidator(absolute_path)]
DeviceName = Annotated[
    str,
    StringConstraints(
        pattern=r"^(auto|cpu|mps|cuda|cuda:[0-9]{1,3}(,cuda:[0-9]{1,3})*)$", max_length=512
    ),
]


class Settings(BaseModel):
    """Frozen pydantic model that refuses unknown keys.

    A field that may be None also takes the word `none`, as the command line and TOML have no other.

    Attributes:
        FORMER_NAMES: field -> its name in earlier versions, which is still understood, though not
            by a Prefect server, which compares the parameters of a deployment with the schema.
        RETIRED: a field that is gone -> the only value that it may still be given.
        ADDED: a field that came later -> the value that all results before it were made with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    FORMER_NAMES: ClassVar[Mapping[str, str]] = {}
    RETIRED: ClassVar[Mapping[str, Any]] = {}
    ADDED: ClassVar[Mapping[str, Any]] = {}

    @model_validator(mode="before")
    @classmethod
    def _read_what_is_written(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        known = cls.with_current_names(given)
        return {name: cls._none_as_written(name, value) for name, value in known.items()}

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false where a number is wanted: to Python they are 1 and 0."""
        given = value if isinstance(value, list | tuple) else (value,)
        kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
        if bool not in kinds and kinds & {int, float} and any(isinstance(x, bool) for x in given):
            raise ValueError(f"should be a number, not {shown(value)}")
        return value

    @field_validator("*")
    @classmethod
    def _no_nul(cls, value: Any) -> Any:
        """Refuse what no file, address or name can hold, before it reaches one."""
        if any("\0" in each for each in _texts(value)):
            raise ValueError("a text cannot hold the character NUL")
        return value

    @classmethod
    def with_current_names(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings by the names of today, also in sections; of equal names the last counts.

        Fields that are gone are left out, as far as they have their only value.
        """
        now = {former: name for name, former in cls.FORMER_NAMES.items()}
        known: dict[str, Any] = {}
        for name, value in given.items():
            if name not in cls.RETIRED or value != cls.RETIRED[name]:
                known[now.get(name, name)] = value
        for name, value in known.items():
            kind = cls.model_fields[name].annotation if name in cls.model_fields else None
            if isinstance(value, Mapping) and isinstance(kind, type) and issubclass(kind, Settings):
                known[name] = kind.with_current_names(value)
        return known

    @classmethod
    def _none_as_written(cls, name: str, value: Any) -> Any:
        field = cls.model_fields.get(name)
        may_be_none = field is not None and NoneType in get_args(field.annotation)
        return None if may_be_none and value == "none" else value

    @classmethod
    def completed(cls, written: Mapping[str, Any]) -> dict[str, Any]:
        """Add to settings that an earlier version wrote the fields that came later (`ADDED`)."""
        values = {**cls.ADDED, **written}
        for name, field in cls.model_fields.items():
            kind, value = field.annotation, values.get(name)
            if isinstance(kind, type) and issubclass(kind, Settings) and isinstance(value, Mapping):
                values[name] = kind.completed(value)
        return values

    def key(self, exclude: Collection[str] = ()) -> dict[str, Any]:
        """Return JSON-able values that name a result, for `terrabalance.files.fingerprint`.

        Fields have the names, and fields that are gone the values, that they had when results were
        first named so, and fields that came later are left out where they change nothing: neither
        a renamed nor a new setting makes a result anew.

        Args:
            exclude: fields, also such as are gone, that do not decide the result.
        """
        unchanged = {name for name, before in self.ADDED.items() if getattr(self, name) == before}
        plain = self.model_dump(mode="json", exclude={*exclude, *unchanged})
        values = {
            name: value.key() if isinstance(value := getattr(self, name), Settings) else plain[name]
            for name in plain
        }
        named = {self.FORMER_NAMES.get(name, name): value for name, value in values.items()}
        gone = {name: value for name, value in self.RETIRED.items() if name not in exclude}
        return {**gone, **named}


def _kinds(annotation: Any) -> set[Any]:
    """The types that a field takes, by itself or in a list."""
    return {annotation}.union(*map(_kinds, get_args(annotation)))


def _texts(value: Any) -> list[str]:
    given = value if isinstance(value, tuple) else (value,)
    return [each for each in given if isinstance(each, str)]
