"""Ctrl-C at each moment of a command: while it is imported, at work, and when its work is done."""

import signal
import subprocess
import sys
import time
from contextlib import suppress

import httpx
import pytest
from waiting import PATIENCE_S, eventually

# A Ctrl-C when a module is first asked for, or at the exit.
_COMMAND = """
import atexit, os, signal, sys

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

class Interrupting:
    def find_spec(self, name, *_):
        if name == {moment!r}:
            interrupt()

sys.meta_path.insert(0, Interrupting())
if {moment!r} == "exit":
    atexit.register(interrupt)
from flows.__main__ import main
main()
"""
_STOPPED = "Stopped. What is finished is kept: the same command goes on from there.\n"


def interrupted(moment: str, before: signal.Handlers) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _COMMAND.format(moment=moment), "settings"],
        capture_output=True, text=True, check=False, timeout=PATIENCE_S,
        preexec_fn=lambda: signal.signal(signal.SIGINT, before),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("moment", "code", "said"),
    [
        ("typer", -signal.SIGINT, ""),
        ("flows.settings.config", 128 + signal.SIGINT, _STOPPED),
        ("exit", -signal.SIGINT, ""),
    ],
)
def test_an_interrupt_ends_a_command_with_a_line_or_without_a_word(moment, code, said):
    ended = interrupted(moment, signal.SIG_DFL)
    assert (ended.returncode, ended.stderr) == (code, said)


@pytest.mark.parametrize("moment", ["typer", "flows.settings.config", "exit"])
def test_a_command_that_was_told_to_ignore_interrupts_does(moment):
    ended = interrupted(moment, signal.SIG_IGN)
    assert (ended.returncode, ended.stderr) == (0, "")


_REVIEW = """
from types import SimpleNamespace
from flows.cli.serve import serve
try:
    serve(SimpleNamespace(items=[], key="k", cookie="c"), 0, False)
except KeyboardInterrupt:
    raise SystemExit(130)
"""


def test_a_second_interrupt_in_a_review_prints_no_trace():
    review = subprocess.Popen(
        [sys.executable, "-u", "-c", _REVIEW],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # What a shell begins in the background ignores interrupts, and so would the review.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        _wait_until_it_answers(review.stdout.readline().partition(" at ")[2].partition("?")[0])
        for _ in range(2):
            review.send_signal(signal.SIGINT)
            time.sleep(0.05)
        _, said = review.communicate(timeout=PATIENCE_S)
    finally:
        review.kill()
    assert (review.returncode, said) == (130, "")


def _wait_until_it_answers(address: str) -> None:
    def answers() -> bool:
        with suppress(httpx.TransportError):
            httpx.get(address)
            return True
        return False

    eventually(answers, f"an answer of {address}", every_s=0.05)
