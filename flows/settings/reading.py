"""Settings as they are written: in a TOML file, or as `section.field=value`."""

import re
import tomllib
from pathlib import Path
from typing import Any

from terrabalance.errors import BadInput
from terrabalance.wording import shown

_LARGEST_FILE = 2**20  # bytes of TOML
_LONGEST_SETTING = 100_000  # characters of one --set
# Of dotted keys, tomllib keeps every prefix of every length: the square of this many.
_MOST_PARTS = 16
_PART = r"""(?: [\w-]++ | "[^"\n]*+" | '[^'\n]*+' )"""
_DEEP = re.compile(
    rf"""
    (?P<deep> {_PART} (?: [ \t]*+ \. [ \t]*+ {_PART} ){{{_MOST_PARTS},}} )
    # What is no key, each as a whole, also where its end is missing: its dots are between no parts.
    | \#[^\n]*+ | \"{{3}}(?s:.*?)(?:\"{{3}}|\Z) | '{{3}}(?s:.*?)(?:'{{3}}|\Z)
    | "(?: \\. | [^"\\\n] )*+"? | '[^'\n]*+'? | [\w-]++
    """,
    re.VERBOSE,
)
_DEEPEST = 4  # parts of a setting's name: more than there are, so that the message names a part


def read_toml(path: Path) -> dict[str, Any]:
    """Read the settings of a file.

    Raises:
        BadInput: it is no file, too large, not UTF-8, or not TOML.
    """
    try:
        if not path.is_file():  # a named pipe would be waited for without end
            raise BadInput(f"--config {shown(str(path))}: is no file. Give a TOML file.")
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise BadInput(
                f"{path}: is larger than {_LARGEST_FILE:,} bytes, too large for settings."
            )
        return _loads(content.decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--config {shown(str(path))}: cannot be read ({error}).") from error
    except (ValueError, RecursionError) as error:  # also integers of thousands of digits
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{path}: is no TOML ({shown(str(error))}). Correct it there.") from error


def _loads(text: str) -> dict[str, Any]:
    if any(found["deep"] for found in _DEEP.finditer(text)):
        raise ValueError(f"a key of more than {_MOST_PARTS} parts")
    return tomllib.loads(text)


def parse_setting(setting: str) -> dict[str, Any]:
    """Return `section.field=value` as nested fields; the value is read as TOML, else as text.

    Raises:
        BadInput: it is not written so, or too long.
    """
    key, equals, text = setting.partition("=")
    parts = key.strip().split(".", _DEEPEST)
    if not equals or not key.strip() or len(parts) > _DEEPEST:
        raise BadInput(f"--set {shown(setting)}: write it as section.field=value")
    if len(text) > _LONGEST_SETTING:
        raise BadInput(f"--set {shown(key)}: is longer than {_LONGEST_SETTING:,} characters")
    try:
        value = _loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # also integers of thousands of digits
        value = text
    for part in reversed(parts):
        value = {part: value}
    return dict(value)


def fields_of(setting: str) -> list[str]:
    """Return which fields `section.field=value` gives; a value may be a table of several.

    Raises:
        BadInput: as of `parse_setting`.
    """
    named = []
    for section, value in parse_setting(setting).items():
        fields = value if isinstance(value, dict) else {}
        named += [f"{section}.{field}" for field in fields] or [section]
    return named


def without_none(given: dict[str, Any]) -> dict[str, Any]:
    """Return nested settings less those that are None, and sections that are then empty."""
    plain = {
        key: without_none(value) if isinstance(value, dict) else value
        for key, value in given.items()
    }
    return {key: value for key, value in plain.items() if value is not None and value != {}}
