"""One self-contained HTML page, and Markdown for artifacts; all escaping happens here."""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from terrabalance.files import write_text
from terrabalance.images import to_pil

_COMMAND = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Section:
    """One part of a page.

    Attributes:
        title: heading, as plain text; it is escaped when drawn.
        html: the body, from `render`.
        anchor: id within the page: lower-case letters and `-`.
    """

    title: str
    html: Markup
    anchor: str


def signed(value: float, digits: int = 1) -> str:
    """Format with a sign that is a true minus; what rounds to zero has no sign."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def duration(seconds: float) -> str:
    """Return how long something takes as text, in the unit that suits it."""
    if seconds < 1:
        return "under a second"
    if seconds < 5400:
        return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} hours" if hours < 36 else f"{hours / 24:.1f} days"


def _count(number: int) -> str:
    return f"{number:,}"


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}"


def _points(share: float, digits: int = 1) -> str:
    return signed(100 * share, digits)


def _prose(text: str) -> Markup:
    """Return a message of the command line as HTML: its `commands` become code."""
    return Markup(_COMMAND.sub(r"<code>\1</code>", str(escape(text))))


_FILTERS = {
    "count": _count, "percent": _percent, "points": _points, "duration": duration, "prose": _prose,
}  # fmt: skip


@cache
def _environment(package: str) -> Environment:
    # Class names and paths come from outside: everything is escaped unless it is Markup.
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("terrabalance")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS)
    return environment


def render(package: str, template: str, **values: Any) -> Markup:
    """Fill a template; every value that is not `Markup` is escaped.

    Args:
        package: whose folder `templates` holds the template, e.g. `augment.report`; those of
            `terrabalance` can be included.
        template: file name, e.g. `balance.html.j2`.
        values: of the names in the template; a missing one raises `jinja2.UndefinedError`.
    """
    return Markup(_environment(package).get_template(template).render(values))


def data_uri(pixels: np.ndarray) -> str:
    """Return (3, H, W) uint8 as a PNG inside a `data:` URI; no pixel changes."""
    buffer = io.BytesIO()
    to_pil(pixels).save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def write_page(
    path: Path,
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    facts: Mapping[str, str],
    notice: str | None = None,
) -> Path:
    """Write one HTML file that needs no network, script or other file, atomically.

    Args:
        path: of the page.
        title: of the page, plain text.
        subtitle: one line below it, plain text.
        sections: in the order shown.
        facts: label -> value, a table at the end about the run.
        notice: a warning above all else, e.g. that the images are drawn; None: no warning.

    Returns:
        `path`.
    """
    html = render(
        "terrabalance",
        "page.html.j2",
        title=title,
        subtitle=subtitle,
        sections=sections,
        facts=facts,
        notice=notice,
    )
    # A class name with half a surrogate pair, as odd file names give, must not stop the report.
    write_text(path, html.encode("utf-8", "replace").decode())
    return path
