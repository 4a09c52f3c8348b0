"""What Prefect's parameter form shows and sends."""

from collections.abc import Iterator
from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate
from pydantic import ValidationError

from flows.orchestrate.deploy import ENTRIES
from flows.settings.config import RunConfig
from flows.settings.presets import PRESETS


def fields_of(schema: dict[str, Any], section: dict[str, Any], at: str) -> Iterator[tuple]:
    """Every field with its place, sections last to their own."""
    for name, field in section["properties"].items():
        if "$ref" in field:
            below = schema["definitions"][field["$ref"].rsplit("/", 1)[1]]
            yield f"{at}{name}", {**below, **field}
            yield from fields_of(schema, below, f"{at}{name}.")
        else:
            yield f"{at}{name}", field


@pytest.fixture(scope="module")
def form() -> dict[str, dict[str, Any]]:
    """The fields of a run's form, by their place."""
    schema = parameter_schema(ENTRIES[0].flow).model_dump(exclude_unset=True)
    return dict(fields_of(schema, schema, ""))


def sent(form: dict[str, dict[str, Any]], preset: str) -> dict[str, Any]:
    """What the form sends where only the data and a preset were filled in."""
    config: dict[str, Any] = {}
    for place, field in form.items():
        *sections, name = place.split(".")[1:] or [""]
        if "default" in field:
            inner = config
            for section in sections:
                inner = inner.setdefault(section, {})
            inner[name] = field["default"]
    return {**config, "data": "aid", "preset": preset}


def test_every_field_has_help(form):
    assert [place for place, field in form.items() if not field.get("description")] == []


def test_choices_are_choices_and_limits_are_said(form):
    assert form["config.preset"]["enum"] == list(PRESETS)
    assert form["config.strategy"]["enum"] == ["warm-start", "conditional", "scratch"]
    size = form["config.classifier.image_size"]
    assert (size["minimum"], size["maximum"]) == (16, 1024)
    assert "at least 16; at most 1,024" in size["description"]
    assert "above 0; below 1" in form["config.split.val"]["description"]
    many = form["config.classifier.seeds"]
    assert "at most 9,007,199,254,740,991; at most 100 of them" in many["description"]


def test_every_number_in_the_form_has_a_highest_value_and_every_text_a_length(form):
    def unbounded(kind: dict[str, Any]) -> bool:
        if "anyOf" in kind:
            return any(map(unbounded, kind["anyOf"]))
        if kind.get("type") in ("integer", "number"):
            return not {"maximum", "exclusiveMaximum", "enum"} & set(kind)
        if kind.get("type") == "string":
            return not ({"enum", "const", "maxLength"} & set(kind) or kind.get("format") == "path")
        if kind.get("type") == "array":
            inner = kind.get("prefixItems", [kind.get("items", {})])
            return "maxItems" not in kind or any(map(unbounded, inner))
        return False

    assert [place for place, field in form.items() if unbounded(field)] == []


def test_a_form_shows_the_default_of_what_no_preset_decides(form):
    assert form["config.split.val"]["default"] == 0.2
    assert "else 64" in form["config.generator.dim"]["description"]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_chosen_in_the_form_decides_as_on_the_command_line(form, preset):
    from_form = RunConfig(**sent(form, preset))
    assert from_form == RunConfig(data="aid", preset=preset)


@pytest.mark.parametrize("target", [14, "14", "80%", "median"])
def test_the_server_takes_each_target_that_a_run_takes(target):
    schema = parameter_schema(ENTRIES[0].flow).model_dump(exclude_unset=True)
    given = {"config": {"data": "aid", "plan": {"target": target}}}
    assert validate(given, schema, raise_on_error=False, ignore_required=True) == []
    assert RunConfig(**given["config"]).plan.target == str(target)


@pytest.mark.parametrize("target", [0, 1.5, True, None])
def test_the_server_refuses_targets_that_no_run_takes(target):
    schema = parameter_schema(ENTRIES[0].flow).model_dump(exclude_unset=True)
    given = {"config": {"data": "aid", "plan": {"target": target}}}
    assert validate(given, schema, raise_on_error=False, ignore_required=True)
    with pytest.raises(ValidationError):
        RunConfig(**given["config"])


def test_the_server_refuses_a_nul_in_any_text_before_a_worker_gets_it(form):
    """JSON can say it, and no path, address or name can hold it (POSIX 3.170, 3.271)."""
    schema = parameter_schema(ENTRIES[0].flow).model_dump(exclude_unset=True)

    def takes(place: str, value: Any) -> bool:
        for name in reversed(place.split(".")):
            value = {name: value}
        return not validate(value, schema, raise_on_error=False, ignore_required=True)

    def is_text(field: dict[str, Any]) -> bool:
        return any(each.get("type") in ("string", "array") for each in (field, *_kinds(field)))

    texts = [place for place, field in form.items() if is_text(field)]
    assert len(texts) > 10
    assert [place for place in texts if takes(place, "a\0b") or takes(place, ["a\0b"])] == []


def _kinds(field: dict[str, Any]) -> list[dict[str, Any]]:
    return list(field.get("anyOf", []))


def test_the_server_takes_paths_and_names_of_any_other_characters():
    schema = parameter_schema(ENTRIES[0].flow).model_dump(exclude_unset=True)
    given = {"config": {"data": "ä b/\n'\"<>/c", "name": "Würm\t1", "workdir": "s3://bucket/x"}}
    assert validate(given, schema, raise_on_error=False, ignore_required=True) == []
    assert RunConfig(**given["config"]).name == "Würm\t1"


def test_no_classes_named_leaves_the_preset_its_number_of_classes():
    assert RunConfig(data="aid", plan={"classes": None}).plan.rarest == 3
    assert RunConfig(data="aid", plan={"classes": ["Pond"]}).plan.rarest is None


def test_every_flow_can_be_registered_under_a_description_of_its_own():
    descriptions = [entry.flow.description for entry in ENTRIES]
    assert all(descriptions) and len(set(descriptions)) == len(ENTRIES)
