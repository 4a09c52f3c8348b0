import re
import subprocess
import sys
from pathlib import Path

from doc_pages import DOCS, ROOT
from pydantic import BaseModel

from flows.settings.config import RunConfig
from flows.settings.presets import PRESETS

FIGURES = (DOCS / "reference" / "report.md").read_text(encoding="utf-8").lower()
ROOMS = ("augment", "classifier", "flows", "terrabalance")
TEMPLATES = [
    path
    for room in ROOMS
    for path in (ROOT / room).rglob("*.html.j2")
    if path.name != "review.html.j2"
]
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


def test_every_column_and_fact_of_the_report_is_explained():
    titles = [
        title.partition("±")[0].partition(",")[0].strip()
        for template in TEMPLATES
        for title in re.findall(r"<(?:th|dt)[^>]*>([A-Z][^<{]+)", template.read_text("utf-8"))
    ]
    assert "Give-away" in titles and "ECE" in titles
    assert [title for title in titles if title.lower() not in FIGURES] == []
