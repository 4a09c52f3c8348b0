"""Serve the review page to this machine's own browser."""

import socket
import webbrowser

import uvicorn

from flows.cli.console import console
from flows.cli.review_board import Board
from flows.cli.review_page import review_app
from terrabalance.errors import BadInput

_LOOPBACK = "127.0.0.1"


def serve(board: Board, port: int, browser: bool) -> None:
    """Serve until Ctrl-C; bound to loopback.

    Args:
        board: the images.
        port: 0 for any that is free.
        browser: whether to open it.

    Raises:
        BadInput: the port is taken.
    """
    listener = socket.socket()
    try:
        listener.bind((_LOOPBACK, port))
    except OSError as error:
        raise BadInput(f"--port {port}: {error.strerror}. Choose another, or 0.") from error
    address = f"http://{_LOOPBACK}:{listener.getsockname()[1]}/?key={board.key}"
    console.print(f"Reviewing {len(board.items)} images at {address} (Ctrl-C ends)", soft_wrap=True)
    if browser:
        webbrowser.open(address)
    # The page has nothing to begin or end with it: a second Ctrl-C would cancel the task that waits
    # for its end, and print where.
    config = uvicorn.Config(review_app(board), log_level="warning", lifespan="off")
    uvicorn.Server(config).run([listener])
