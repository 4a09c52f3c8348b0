import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import DOCS, ROOT

ZENSICAL = Path(sys.executable).with_name("zensical")
pytestmark = pytest.mark.skipif(
    not ZENSICAL.exists(), reason="zensical is not installed; `pip install terrabalance[docs]`"
)


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [ZENSICAL, "build", "--clean", "--strict"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    return tmp_path


def test_the_site_builds_without_a_warning_and_asks_nothing_of_other_servers(checkout: Path):
    built = build(checkout)
    assert built.returncode == 0, built.stdout + built.stderr
    for page in (checkout / "site").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|img|iframe)[^>]+src="?(?:https?:)?//', text), page
        assert not re.findall(r'<link[^>]+href="?(?:https?:)?//', text), page


@pytest.mark.parametrize("link", ["missing.md", "scale.md#no-such-heading"])
def test_a_broken_link_stops_the_build(checkout: Path, link: str):
    with (checkout / "docs" / "index.md").open("a") as page:
        page.write(f"\n[broken]({link})\n")
    built = build(checkout)
    assert built.returncode != 0
    assert "does not exist" in built.stdout + built.stderr
