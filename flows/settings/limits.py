"""The limits of a setting in words, from its JSON schema: for forms, the terminal and the docs."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

_NUMBERS = {
    "minimum": "at least {}", "exclusiveMinimum": "above {}",
    "maximum": "at most {}", "exclusiveMaximum": "below {}", "multipleOf": "a multiple of {}",
}  # fmt: skip
_LENGTHS = {"maxItems": "at most {} of them", "maxLength": "at most {} characters"}


def limits_of(schema: Mapping[str, Any]) -> list[str]:
    """Return the limits of one type, e.g. `["at least 1", "below 2"]`; of a list its items' too."""
    of_items = limits_of(schema["items"]) if "items" in schema else []
    numbers = [_said(words, schema[key]) for key, words in _NUMBERS.items() if key in schema]
    fixed = schema.get("minItems") == schema.get("maxItems")
    lengths = [
        _said(words, schema[key])
        for key, words in _LENGTHS.items()
        if key in schema and not (key == "maxItems" and fixed)
    ]
    return [*numbers, *of_items, *lengths]


def first_of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first type of a schema that is not null."""
    kinds = schema.get("anyOf", [])
    found: Mapping[str, Any] = next((k for k in kinds if k.get("type") != "null"), schema)
    return found


def schema_of(field: FieldInfo) -> dict[str, Any]:
    """Return the JSON schema of a setting's values."""
    kind: Any = field.annotation
    if field.metadata:
        kind = Annotated[(kind, *field.metadata)]
    return TypeAdapter(kind).json_schema()


def _said(words: str, limit: float) -> str:
    return words.format(f"{limit:,}" if isinstance(limit, int) else f"{limit:g}")
