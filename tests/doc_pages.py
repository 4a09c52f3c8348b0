"""The pages of the docs, and what is written on them."""

import re
from collections.abc import Iterator
from pathlib import Path

from markdown.extensions.toc import slugify

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
ALL = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.M | re.S)
_INLINE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language, without their indent."""
    found = _FENCED.findall(page.read_text(encoding="utf-8"))
    return [
        re.sub(f"^{indent}", "", text, flags=re.M)
        for indent, name, text in found
        if name == language
    ]


def links(page: Path) -> Iterator[str]:
    """Yield the targets of links and pictures that lie in the repository."""
    text = _INLINE.sub("", _FENCED.sub("", page.read_text(encoding="utf-8")))
    yield from (target for target in _LINK.findall(text) if "://" not in target)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    return {slugify(title.replace("`", ""), "-") for title in titles}


def commands(page: Path) -> Iterator[str]:
    """Yield each `terrabalance ...` of the shell blocks as one line."""
    for block in blocks(page, "sh"):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            if line.startswith("terrabalance "):
                yield line
