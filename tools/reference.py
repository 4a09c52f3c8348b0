"""Write the reference pages of the docs from the code: every setting, every command.

python tools/reference.py            # write docs/reference/{settings,commands}.md
python tools/reference.py --check    # write nothing; exit code 1 where a page is out of date
"""

import inspect
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from flows.cli.app import app
from flows.settings.config import RunConfig
from flows.settings.limits import limits_of, schema_of
from flows.settings.presets import PRESETS
from terrabalance.settings import Settings

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
Option = tuple[str, str]  # as it is written, and its meaning
_SHARED = 5  # commands that take an option, from which on it is told once for all
_MADE = "<!-- Written by tools/reference.py. Change the code, then run `make reference`. -->"
_KINDS = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false"}
_SETTINGS = """# Settings

Every setting of a run. `--set training.steps=4000` sets one, and may be repeated;
`--config FILE` reads any of them from a TOML file. Of one setting given twice an option of the
command (`--seed`) wins over `--set`, and `--set` over the file. What is given wins over the preset,
and the preset over the default. Where no preset is named, `cpu` is meant, so its values hold.
`terrabalance settings --preset NAME` prints the values of one preset in the terminal.

```toml
# run.toml, for `terrabalance run DATA --config run.toml`
preset = "8gb"

[plan]
classes = ["Mountain"]

[training]
steps = 4000
```

A setting that may be none takes the word `none`. An unknown name is refused before any work.
"""
_COMMANDS = """# Commands

Every command with its arguments and options, as `terrabalance COMMAND --help` prints them.
All commands exit with 0 when they are done, with 2 and one line when what you gave cannot be used,
and with 130 when you stopped them by Ctrl-C (143 by SIGTERM, 129 by SIGHUP). Before the command
stand `--verbose` (shows what happens inside) and `--version`.
"""


def main() -> None:
    """Write the pages, or compare them with what is there."""
    pages = {"settings.md": settings_page(), "commands.md": commands_page()}
    stale = [name for name, text in pages.items() if _read(FOLDER / name) != text]
    if "--check" in sys.argv[1:]:
        sys.exit(f"out of date: {', '.join(stale)}. Run `make reference`." if stale else 0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(pages[name], encoding="utf-8")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def settings_page() -> str:
    """Return the Markdown page of all settings, one section a table."""
    fields = RunConfig.model_fields
    sections = {n: f for n, f in fields.items() if isinstance(f.default, BaseModel)}
    presets = {name: RunConfig(data=Path("data"), preset=name) for name in PRESETS}
    plain = [name for name in fields if name not in sections]
    parts = [_MADE, _SETTINGS, "## The run", "", *_table(RunConfig, plain, "", None, presets)]
    for name, field in sections.items():
        model = type(field.default)
        about = field.description or inspect.cleandoc(model.__doc__ or "").splitlines()[0]
        values = {preset: getattr(config, name) for preset, config in presets.items()}
        parts += ["", f"## {name}", "", _sentence(about), ""]
        parts += _table(model, list(model.model_fields), f"{name}.", field.default, values)
    return "\n".join(parts) + "\n"


def _table(
    model: type[Settings],
    names: Sequence[str],
    before: str,
    defaults: BaseModel | None,
    presets: Mapping[str, BaseModel],
) -> Iterator[str]:
    yield "| Setting | Values | Default | Meaning |"
    yield "|---|---|---|---|"
    for name in names:
        field = model.model_fields[name]
        default = getattr(defaults, name) if defaults else _default(field)
        decided = {preset: getattr(values, name) for preset, values in presets.items()}
        shown = "required" if field.is_required() else _value(default)
        if name != "preset" and not field.is_required():
            shown += _of_presets(decided, default)
        about = _sentence(field.description or "")
        if former := model.FORMER_NAMES.get(name):
            about += f" Formerly `{before}{former}`."
        yield f"| `{before}{name}` | {_kind(field)} | {shown} | {about} |"


def _default(field: FieldInfo) -> Any:
    return field.get_default(call_default_factory=True)


def _of_presets(decided: Mapping[str, Any], default: Any) -> str:
    """Return the presets' values that are not the default, presets of one value together."""
    together: dict[str, list[str]] = {}
    for preset, value in decided.items():
        if value != default and not isinstance(value, Path):
            together.setdefault(_value(value), []).append(preset)
    said = [f"{value} in {', '.join(names)}" for value, names in together.items()]
    return "".join(f"<br>{each}" for each in said)


def _kind(field: FieldInfo) -> str:
    """Return a field's type and limits in words."""
    return _kind_of(schema_of(field))


def _kind_of(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return "; or ".join(_kind_of(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "null":
        return "none"
    if schema.get("type") == "array":
        return _array(schema)
    kind = "path" if schema.get("format") == "path" else _KINDS[schema["type"]]
    return ", ".join([kind, *limits_of(schema)])


def _array(schema: Mapping[str, Any]) -> str:
    if "prefixItems" in schema:
        return f"{len(schema['prefixItems'])} of: {_kind_of(schema['prefixItems'][0])}"
    most = limits_of({"maxItems": schema["maxItems"]}) if "maxItems" in schema else []
    return ", ".join([f"list of: {_kind_of(schema['items'])}", *most])


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, Path):
        return "current folder" if value == Path.cwd() else f"`{value}`"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def _sentence(text: str) -> str:
    """Return a description as a sentence in a cell of a table."""
    plain = re.sub(r"([\[\]|*<])", r"\\\1", " ".join(text.split())).rstrip(".")
    linked = re.sub(r"arXiv:(\d{4}\.\d{5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", plain)
    of_a_value = re.match(r"\S+:", linked)  # "auto: cuda, else cpu": the value as it is written
    return (linked if of_a_value else linked[:1].upper() + linked[1:]) + "." * bool(linked)


def commands_page() -> str:
    """Return the Markdown page of all commands; what many of them take is told once."""
    commands = list(_commands(typer.main.get_command(app), ()))
    taken = Counter(_option(each) for _, command in commands for each in command.params)
    shared = [option for option, count in taken.items() if count >= _SHARED]
    parts = [_MADE, _COMMANDS]
    for names, command in commands:
        parts += [f"## {' '.join(names)}", "", *_command(names, command, shared)]
    parts += ["## Shared options", "", *_options(shared)]
    return "\n".join(parts).rstrip() + "\n"


def _commands(group: Any, before: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*before, name))
        else:
            yield (*before, name), command


def _command(names: tuple[str, ...], command: Any, shared: Sequence[Option]) -> Iterator[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = [*names, *map(_metavar, arguments)]
    yield from ("```sh", f"terrabalance {' '.join(usage)} [OPTIONS]", "```", "")
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield from _paragraph(paragraph)
    options = [_option(each) for each in command.params if each.name != "help"]
    if own := [option for option in options if option not in shared]:
        yield from (*_options(own), "")
    if general := [name for name, _ in filter(options.__contains__, shared)]:
        yield f"[Shared options](#shared-options): {', '.join(general)}."
        yield ""
    if command.epilog:
        yield from (command.epilog, "")


def _options(options: Sequence[Option]) -> Iterator[str]:
    yield from ("| Option | Meaning |", "|---|---|")
    yield from (f"| {name} | {about} |" for name, about in options)


def _option(parameter: Any) -> Option:
    return _names(parameter), _sentence(parameter.help or "")


def _paragraph(text: str) -> Iterator[str]:
    example = re.fullmatch(r"Example: `(.+)`", " ".join(text.split()))
    if example:
        yield from ("```sh", example[1], "```", "")
    else:
        yield from (text, "")


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_metavar(parameter)}`"
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    return f"`{names}`" if parameter.is_flag else f"`{names} {_metavar(parameter)}`"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.opts[-1].lstrip("-").upper())


if __name__ == "__main__":
    main()
