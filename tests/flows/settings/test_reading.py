"""TOML as it may be: what costs a reader more than it is worth is refused before it is read."""

import subprocess
import sys

import pytest

from flows.settings.reading import parse_setting, read_toml
from terrabalance.errors import BadInput


@pytest.mark.parametrize(
    "text",
    ["a" + ".a" * 20 + " = 1", "[a" + ".a" * 20 + "]", 'x = { "a"' + ".'a'" * 20 + " = 1 }"],
)
def test_a_key_of_many_parts_is_refused(text, tmp_path):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(BadInput, match=r"a\.toml.*a key of more than 16 parts"):
        read_toml(tmp_path / "a.toml")


def test_it_costs_no_memory_however_many_there_are(tmp_path):
    """tomllib would take gigabytes for these 40 kB."""
    (tmp_path / "a.toml").write_text("a" + ".a" * 20_000 + " = 1")
    script = f"""
import resource
from pathlib import Path
from flows.settings.reading import read_toml
from terrabalance.errors import BadInput
resource.setrlimit(resource.RLIMIT_AS, ({2**30}, {2**30}))
try:
    read_toml(Path("a.toml"))
except BadInput:
    print("refused")
"""
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout == "refused\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('x = "a' + ".a" * 20 + '"', "a" + ".a" * 20),
        ("x = 'a" + ".a" * 20 + "' # b" + ".b" * 20, "a" + ".a" * 20),
        ('x = """\na' + ".a" * 20 + '"""', "a" + ".a" * 20),
        ("x = '''a" + ".a" * 20 + "'''", "a" + ".a" * 20),
        ("x = [1.5, 2.5]", [1.5, 2.5]),
    ],
)
def test_dots_in_a_value_are_no_parts_of_a_key(text, value, tmp_path):
    (tmp_path / "a.toml").write_text(text)
    assert read_toml(tmp_path / "a.toml") == {"x": value}


def test_a_value_that_is_no_toml_is_text():
    assert parse_setting("section.field=a" + ".a" * 20)["section"] == {"field": "a" + ".a" * 20}
