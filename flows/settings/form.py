"""The parameter form of the deployments: defaults and limits in words, presets left in charge.

Prefect's form sends a value for every field that has a default in the schema, also for fields
that no user touched. A preset fills only what is left open, so it would never fill anything. What
a preset decides has therefore no default in the schema; its help says what an empty field means.
"""

from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema

from flows.settings.limits import first_of, limits_of
from flows.settings.presets import PRESETS

_NO_NUL = r"^[^\u0000]*$"  # of a JSON schema: \u is of its regular expressions


def form_of(core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
    """Return the JSON schema of a run's settings as a form."""
    schema = handler(core)
    fields: dict[str, Any] = handler.resolve_ref_schema(schema)["properties"]
    sections = {name: field for name, field in fields.items() if "$ref" in field}
    decided: dict[str, set[str]] = {}  # two sections may share one definition
    for name, field in sections.items():
        field.pop("default", None)
        decided.setdefault(field["$ref"], set()).update(_decided_by_presets(name))
    for reference, names in decided.items():
        _explain(handler.resolve_ref_schema({"$ref": reference})["properties"], names)
    _explain({n: f for n, f in fields.items() if n not in sections}, set().union(*PRESETS.values()))
    return schema


def _decided_by_presets(section: str) -> set[str]:
    return {name for preset in PRESETS.values() for name in preset.get(section, {})}


def _explain(fields: dict[str, Any], decided: set[str]) -> None:
    for name, field in fields.items():
        notes = limits_of(first_of(field))
        if name in decided and "default" in field:
            notes.append(f"empty: as the preset says, else {_shown(field.pop('default'))}")
            if field.get("type") == "boolean":  # a switch cannot be empty, a choice can
                del field["type"]
                field["enum"] = [True, False]
        if notes:
            field["description"] = f"{field.get('description', '')} ({'; '.join(notes)})"
        _refuse_nul(field)


def _refuse_nul(kind: dict[str, Any]) -> None:
    """Have the server refuse what no path or name can hold, before a worker has a run of it."""
    for part in (*kind.get("anyOf", ()), *([kind["items"]] if "items" in kind else ())):
        _refuse_nul(part)
    if kind.get("type") == "string" and not kind.keys() & {"enum", "const", "pattern"}:
        kind["pattern"] = _NO_NUL


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return "none" if value is None else str(value)
