import ast
import importlib
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer
from doc_pages import ALL, DOCS, PAGES, ROOT, anchors, blocks, commands, links
from pydantic import BaseModel

from classifier.train.loop import CHECKPOINT_EVERY_S
from flows.cli.app import app
from flows.settings.config import RunConfig

SECTIONS = {
    name: set(type(field.default).model_fields)
    for name, field in RunConfig.model_fields.items()
    if isinstance(field.default, BaseModel)
}
# New names of settings, whose renaming is on its way (issue 19).
FILES = {"csv", "json", "md", "parquet", "png", "py", "toml"}
PARAMETERS = {"steps", "jump", "resamplings"}  # of `inpaint`, whose settings have no section
names = pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))


@names
def test_every_link_and_picture_leads_to_a_file_and_to_a_heading_that_is_there(page: Path):
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page}: {target}"
        assert page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md") or file.is_relative_to(DOCS)
        assert not anchor or anchor in anchors(file), f"{page}: {target}"


def test_every_page_has_a_place_in_the_site_and_every_place_a_page():
    listed = re.findall(r'"([\w/-]+\.md)"', (ROOT / "zensical.toml").read_text())
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


@names
def test_every_setting_that_is_named_exists(page: Path):
    text = re.sub(r"Formerly `[^`]+`", "", page.read_text(encoding="utf-8"))
    wanted = re.findall(r"--set ['\"]?([a-z_.]+)=", text)
    sections = "|".join(SECTIONS)
    wanted += re.findall(rf"(?<![\w./-])((?:{sections})\.[a-z_]+)(?![\w.(/]|\.\w)", text)
    for setting in set(wanted) - PARAMETERS:
        section, _, field = setting.partition(".")
        fields = SECTIONS.get(section, set())
        plain = not field and section in RunConfig.model_fields
        assert plain or field in FILES or field in fields, f"{page}: {setting}"


@names
def test_every_command_exists_with_its_options(page: Path):
    group = typer.main.get_command(app)
    for line in commands(page):
        words = shlex.split(line, comments=True)[1:]
        command, rest = group, words
        while hasattr(command, "commands") and rest and rest[0] in command.commands:
            command, rest = command.commands[rest[0]], rest[1:]
        assert not hasattr(command, "commands"), f"{page}: {line}"
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        used = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert used <= known | {"--help"}, f"{page}: {line}"


@names
def test_every_toml_block_is_a_run_that_can_be_started(page: Path):
    for block in blocks(page, "toml"):
        RunConfig(data=Path("data"), **tomllib.loads(block))


@names
def test_python_blocks_import_and_call_what_is_there(page: Path):
    for block in blocks(page, "python"):
        tree, known = ast.parse(block), {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(str(node.module))
                for name in node.names:
                    found = getattr(module, name.name, None) or importlib.import_module(
                        f"{node.module}.{name.name}"
                    )
                    known[name.asname or name.name] = found
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                owner = known.get(node.value.id)
                assert owner is None or hasattr(owner, node.attr), f"{page}: {node.attr}"


def test_the_map_names_every_sub_room_and_nothing_that_is_not_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = ("augment", "classifier", "flows")
    there = {
        f"{path.parent.relative_to(ROOT)}/" for r in rooms for path in ROOT.glob(f"{r}/*/*.py")
    }
    assert set(re.findall(r"^\| `([\w/]+/)` \|", text, re.M)) == there
    for path in re.findall(r"`([\w.]+/[\w./-]+)`", text):
        assert (ROOT / path).exists() or path == "site/", path


def test_pictures_are_small():
    for picture in (p for kind in ("png", "jpg", "webp") for p in DOCS.rglob(f"*.{kind}")):
        assert picture.stat().st_size < 300_000, picture


def test_the_time_that_a_stopped_classifier_loses_is_what_the_page_says():
    page = (DOCS / "how-to" / "interruptions.md").read_text(encoding="utf-8")
    assert f"at most the last {CHECKPOINT_EVERY_S:.0f} s" in page
