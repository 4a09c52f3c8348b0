"""The base of every settings model: frozen, and a misspelt key is an error that names itself."""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, ClassVar, get_args

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

    Attributes:
        FORMER_NAMES: field -> its name in earlier versions, which is still understood.
        RETIRED: a field that is gone -> the only value that it may still be given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    FORMER_NAMES: ClassVar[Mapping[str, str]] = {}
    RETIRED: ClassVar[Mapping[str, Any]] = {}

    @model_validator(mode="before")
    @classmethod
    def _read_what_is_written(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        known = cls.with_current_names(given)
        return {name: cls._none_as_written(name, value) for name, value in known.items()}

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

    def key(self, exclude: Collection[str] = ()) -> dict[str, Any]:
        """Return JSON-able values that name a result, for `terrabalance.files.fingerprint`.

        Fields have the names, and fields that are gone the values, that they had when results were
        first named so: renaming a setting makes no result anew.

        Args:
            exclude: fields, also such as are gone, that do not decide the result.
        """
        plain = self.model_dump(mode="json", exclude=set(exclude))
        values = {
            name: value.key() if isinstance(value := getattr(self, name), Settings) else plain[name]
            for name in plain
        }
        named = {self.FORMER_NAMES.get(name, name): value for name, value in values.items()}
        gone = {name: value for name, value in self.RETIRED.items() if name not in exclude}
        return {**gone, **named}
