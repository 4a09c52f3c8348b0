"""Texts of strangers on a terminal: they are read and not obeyed."""

import io
import logging

import pytest
from rich.progress import Progress, TextColumn
from rich.table import Table

from terrabalance.errors import BadInput
from terrabalance.terminal import LogFormatter, Terminal, harmless

# Red, a window's title, the clipboard; a name that reads backwards; C1's own introducer.
HOSTILE = "a\x1b[31mb\x1b]0;t\x07c\u202ed\x9be"
READ = r"a\x1b[31mb\x1b]0;t\x07c\u202ed\x9be"


def test_characters_that_steer_are_written_as_python_does_and_others_are_kept():
    assert harmless(HOSTILE) == READ
    assert harmless("Forêt\t森\n\U0001f30d e\u0301") == "Forêt\t森\n\U0001f30d e\u0301"


@pytest.fixture
def terminal() -> Terminal:
    return Terminal(file=io.StringIO(), width=200, force_terminal=True, color_system=None)


def printed(terminal: Terminal) -> str:
    return terminal.file.getvalue()


def test_a_line_and_a_table_are_printed_harmless(terminal):
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(HOSTILE)
    terminal.print(HOSTILE, markup=False)
    terminal.print(table)
    # rich itself drops the bell and its kin from some texts.
    assert not set(printed(terminal)) & set("\x1b\x07\x9b\u202e")
    assert printed(terminal).count(r"\x1b[31mb") == 4


def test_a_path_is_printed_as_it_is(terminal):
    terminal.print("/:car:/a", soft_wrap=True)
    assert printed(terminal) == "/:car:/a\n"


def test_a_bar_keeps_its_own_movements_only(terminal):
    with Progress(TextColumn("{task.description}", markup=False), console=terminal) as progress:
        progress.add_task(HOSTILE)
    assert r"\x1b[31mb" in printed(terminal)
    assert "\x1b[31m" not in printed(terminal) and "\x1b]0" not in printed(terminal)
    assert "\x1b[?25l" in printed(terminal)  # the cursor is hidden by rich


def test_a_line_of_a_log_is_harmless():
    record = logging.LogRecord("x", logging.WARNING, "", 0, "%s", (HOSTILE,), None)
    assert LogFormatter().format(record).endswith(READ)


def test_where_the_output_is_full_it_is_named():
    try:
        full = open("/dev/full", "w")  # noqa: PTH123, SIM115 - closing it would fail too
    except OSError:
        pytest.skip("no /dev/full here")
    terminal = Terminal(file=full, width=80)
    with pytest.raises(BadInput, match=r"standard output cannot be written .*No space"):
        terminal.print("x")
