"""Reviewing by eye: the page in Chromium with the keyboard."""

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from chromium import Page, debugger
from waiting import PATIENCE_S, eventually
from websockets.sync.client import connect

from flows.cli.review_board import Board
from flows.cli.review_page import review_app
from terrabalance.errors import NotReady

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
WHERE = "document.getElementById('where').textContent"
PATH = "document.getElementById('path').textContent"
STATUS = "document.getElementById('status').innerText"


@pytest.fixture
def browser(board, tmp_path) -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    server = uvicorn.Server(uvicorn.Config(review_app(board), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    eventually(lambda: server.started, "the review page is served", every_s=0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    address = f"http://127.0.0.1:{port}/?key={board.key}"
    chromium = subprocess.Popen(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
         "--no-first-run", "--disable-background-networking", f"--user-data-dir={tmp_path}/c",
         address],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with connect(debugger(tmp_path / "c", address), max_size=None) as socket:
            page = Page(socket)
            page.wait("document.getElementById('status')?.textContent.length > 0")
            yield page
    finally:
        chromium.kill()
        chromium.wait()
        server.should_exit = True
        thread.join()


def decisions(board: Board) -> list[str]:
    return [state["review"] for state in board.states()]


def test_in_chromium_the_keyboard_decides_and_moves_on(browser, board):
    browser.wait("document.getElementById('image').naturalWidth > 0")
    first, n_images = browser.value(PATH), len(board.items)
    where = browser.value(WHERE)
    assert where.startswith(f"Image 1 of {n_images}, {n_images} not yet reviewed")
    for key, kept in (("r", "refuse"), ("u", ""), ("a", "accept")):
        browser.press(key)
        eventually(lambda kept=kept: decisions(board)[0] == kept, f"{key} is kept")
        if kept:
            assert browser.value(PATH) != first
            browser.press("ArrowLeft")
        said = f"{STATUS}.includes('(review: {kept}')" if kept else f"!{STATUS}.includes('review')"
        browser.wait(f"queue.length === 0 && {said}")
        assert browser.value(PATH) == first


def late(board: Board, monkeypatch, decide: Callable) -> threading.Event:
    """Decide so, and not before the event is set."""
    now = threading.Event()
    monkeypatch.setattr(board, "decide", lambda *given: now.wait(PATIENCE_S) and decide(*given))
    return now


def test_in_chromium_a_key_decides_the_image_that_is_shown_however_late_answers_come(
    browser, board, monkeypatch
):
    now = late(board, monkeypatch, board.decide)
    browser.press("r")
    browser.press("a")
    assert browser.value(WHERE).startswith("Image 3 of")
    browser.press("ArrowLeft")
    assert browser.value(WHERE).startswith("Image 2 of")
    now.set()
    eventually(lambda: decisions(board)[:3] == ["refuse", "accept", ""], "both are kept")
    browser.wait("queue.length === 0")
    assert browser.value(WHERE).startswith("Image 2 of")


def test_in_chromium_a_key_that_is_held_down_decides_one_image(browser, board):
    for again in (False, True, True):
        browser.call(
            "Input.dispatchKeyEvent", type="keyDown", key="r", text="r", autoRepeat=again
        )  # fmt: skip
    browser.wait("queue.length === 0")
    assert decisions(board)[:3] == ["refuse", "", ""]


def test_in_chromium_what_was_not_saved_is_named_and_shown_again(browser, board, monkeypatch):
    def refuse(*given):
        raise NotReady("the disk is gone")

    now = late(board, monkeypatch, refuse)
    browser.press("r")
    browser.press("a")
    now.set()
    browser.wait(f"{WHERE}.startsWith('Not saved')")
    said = browser.value(WHERE)
    assert said == f"Not saved: Beach {board.items[0][1]} and 1 later decision(s): the disk is gone"
    assert browser.value(PATH) == board.items[0][1]
    assert set(decisions(board)) == {""}


def test_in_chromium_the_page_says_when_all_are_reviewed(browser, board):
    browser.value("document.getElementById('show').value = 'open'")
    for _ in board.items:
        browser.press("a")
    browser.wait(f"{WHERE} === 'All images are reviewed.'")
    eventually(lambda: set(decisions(board)) == {"accept"}, "all are kept")
    browser.press("r")  # no image is shown
    browser.wait("queue.length === 0")
    assert set(decisions(board)) == {"accept"}


def test_in_chromium_an_image_that_is_refused_fills_its_frame(browser, board):
    browser.press("r")
    browser.wait("document.getElementById('where').textContent.includes('Image 2')")
    browser.press("ArrowLeft")
    browser.wait("document.getElementById('frame').classList.contains('refused')")
    wide = "document.getElementById({!r}).clientWidth"
    assert browser.value(wide.format("image")) == browser.value(wide.format("frame")) > 200
