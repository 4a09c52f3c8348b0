import base64
import io
import re
from pathlib import Path

import jinja2
import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image

from terrabalance.charts import WIDTH, loss_curve, place, plain_lines, symmetric_limit
from terrabalance.markdown import escape_markdown, markdown_table
from terrabalance.page import (
    Section,
    data_uri,
    duration,
    render,
    write_page,
)

HOSTILE = ["<b>x</b>", '"><script>alert(1)</script>', "'><img src=x onerror=y>", "a\u202eb"]
BODY = Section("Part & one", Markup("<p>kept</p>"), "one")


def page(folder: Path, **changes: object) -> str:
    values = {"title": "T", "subtitle": "S", "sections": [BODY], "facts": {"Seed": "1"}} | changes
    return write_page(folder / "index.html", **values).read_text()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_from_a_stranger_becomes_markup(tmp_path: Path, name: str):
    section = Section(name, BODY.html, "one")
    html = page(
        tmp_path, title=name, subtitle=name, facts={name: name}, notice=name, sections=[section] * 2
    )
    assert "<script" not in html
    assert "<b>" not in html
    assert "<img" not in html


def test_the_page_needs_no_network_and_no_script(tmp_path: Path):
    html = page(tmp_path)
    assert not re.search(r"https?://|<script|<link|@import|url\(", html)
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


def test_sections_stay_markup_and_titles_are_escaped(tmp_path: Path):
    html = page(tmp_path)
    assert "<p>kept</p>" in html
    assert "Part &amp; one" in html


def test_a_notice_stands_before_all_sections(tmp_path: Path):
    html = page(tmp_path, notice="drawn by terrabalance, not real")
    assert html.index("drawn by terrabalance, not real") < html.index("<p>kept</p>")
    assert 'class="notice"' not in page(tmp_path)


def test_a_name_that_is_not_valid_unicode_does_not_stop_the_page(tmp_path: Path):
    assert "a?b" in page(tmp_path, subtitle="a\udcffb")


def test_a_failing_page_leaves_the_old_one(tmp_path: Path):
    before = page(tmp_path)
    with pytest.raises(jinja2.UndefinedError):
        page(tmp_path, sections=[object()])
    assert (tmp_path / "index.html").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


@pytest.mark.parametrize("name", HOSTILE)
def test_commands_in_a_message_are_code_and_nothing_else_becomes_markup(name: str):
    why = f"`terrabalance compare` says `{name}` of {name}"
    html = render("augment.report", "not_compared.html.j2", why=why)
    assert "<code>terrabalance compare</code> says <code>" in html
    said = html.partition("<p>")[2].partition("</p>")[0]
    assert "<" not in said.replace("<code>", "").replace("</code>", "")


def test_a_value_that_a_template_lacks_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        render("terrabalance", "page.html.j2", title="T")


def test_a_data_uri_holds_every_pixel():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 7), dtype=np.uint8)
    head, _, data = data_uri(pixels).partition(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert (np.asarray(image).transpose(2, 0, 1) == pixels).all()


def test_markdown_cells_stay_in_their_cell():
    table = markdown_table(["Class", "n"], [["a|b\n| c", 3], ["<b>x</b>", 4]])
    assert [line.replace("\\|", "").count("|") for line in table.splitlines()] == [3, 3, 3, 3]
    assert "<" not in table
    assert escape_markdown("a\u202eb*c*") == "a b\\*c\\*"


def test_a_loss_curve_falls_from_the_top_to_the_bottom():
    curve = loss_curve(range(1, 1001), [1 / step for step in range(1, 1001)])
    assert curve is not None
    assert curve.raw.startswith("0.0,0.0 ")
    assert curve.raw.endswith(" 600.0,120.0")
    assert (curve.first, curve.last, curve.high, curve.low) == (1, 1000, 1.0, 0.001)
    assert len(curve.raw.split()) == 300


def test_a_mark_at_either_end_is_drawn_inside_the_chart():
    for step, inside in ((10, 1), (30, WIDTH - 1), (20, WIDTH / 2)):
        lines = plain_lines([10, 20, 30], {"kid": [0.3, 0.2, 0.1]}, step)
        assert lines is not None and lines.mark == inside


def test_a_flat_loss_is_drawn_and_a_single_one_is_not():
    assert loss_curve([1, 2], [0.5, 0.5]) is not None
    assert loss_curve([1], [0.5]) is None
    assert loss_curve([1, 2, 3], [0.5, float("nan"), 0.0]) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "under a second"),
        (42, "42 s"),
        (200, "3 min"),
        (5 * 3600, "5.0 hours"),
        (229_452, "2.7 days"),
    ],
)
def test_a_time_is_said_in_the_unit_that_a_person_would_take(seconds: float, said: str):
    assert duration(seconds) == said


def test_the_axis_holds_all_known_ends():
    assert symmetric_limit([(-0.01, 0.02)]) == 0.05
    assert symmetric_limit([(-0.12, 0.31), (-1.0, 1.0)]) == pytest.approx(0.35)
    assert symmetric_limit([(-0.12, 1.0), (-1.0, 1.0)]) == 1.0
    assert symmetric_limit([(-1.0, 1.0)]) == 1.0
    assert (place(0, 0.1), place(-0.1, 0.1), place(9, 0.1)) == (50, 0, 100)
