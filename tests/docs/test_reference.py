import subprocess
import sys
from pathlib import Path

from doc_pages import DOCS, ROOT
from pydantic import BaseModel

from flows.settings.config import RunConfig
from flows.settings.presets import PRESETS

SETTINGS = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")


def test_the_reference_pages_are_what_the_code_says():
    command = [sys.executable, "tools/reference.py", "--check"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_every_setting_has_a_row():
    for name, value in RunConfig(data=Path("data")):
        section = isinstance(value, BaseModel)
        names = [f"{name}.{field}" for field in type(value).model_fields] if section else [name]
        for each in names:
            assert f"| `{each}` |" in SETTINGS


def test_a_presets_value_stands_beside_the_default():
    row = next(line for line in SETTINGS.splitlines() if "`training.learning_rate`" in line)
    rate = PRESETS["tutorial"]["training"]["learning_rate"]
    assert f"`{rate}` in tutorial" in row and "above 0" in row
