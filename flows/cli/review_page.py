"""A local page on which a person accepts or refuses synthetic images by eye."""

import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from fastapi import FastAPI, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.middleware.base import RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from augment.screen.rules import MEANINGS
from flows.cli.review_board import Board
from terrabalance.errors import TerrabalanceError
from terrabalance.page import render
from terrabalance.system_errors import in_words

_LOOKS = ["GET", "HEAD"]  # methods that change nothing
_LONGEST_BODY = 1000  # bytes; a decision is one word
# Of every answer, errors and images too. The address holds the key: no other server may read it as
# a referrer, and no cache may keep what was shown.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class _Decision(BaseModel):
    decision: Literal["accept", "refuse"] | None


def review_app(board: Board) -> ASGIApp:
    """Return the page and its three addresses; only for this machine's own browser.

    The page is opened by `/?key=...`, which leaves a cookie that the other addresses ask for.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, exception_handlers=_HANDLERS)

    @app.middleware("http")
    async def only_from_here(request: Request, call_next: RequestResponseEndpoint) -> Response:
        if (refusal := _refusal(request)) is not None:
            return refusal
        given = request.query_params.get("key") or request.cookies.get(board.cookie, "")
        if not secrets.compare_digest(given.encode(), board.key.encode()):
            return Response("Open the address that `terrabalance review` printed.", 403)
        answer = await call_next(request)
        answer.set_cookie(board.cookie, board.key, httponly=True, samesite="strict")
        return answer

    # Another site's name that resolves to this machine must not read the images.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])

    @app.api_route("/", methods=_LOOKS)
    def page() -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        html = render(
            "flows.cli", "review.html.j2", items=board.states(), meanings=MEANINGS,
            token=board.token, nonce=nonce, reviewer=board.reviewer,
            name=board.run.config.run_name,
        )  # fmt: skip
        policy = (
            f"default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; "
            f"connect-src 'self'; script-src 'nonce-{nonce}'; frame-ancestors 'none'; "
            f"base-uri 'none'; form-action 'none'"
        )
        return HTMLResponse(str(html), headers={"Content-Security-Policy": policy})

    @app.api_route("/image/{index}", methods=_LOOKS)
    def image(index: int) -> Response:
        _check(board, index)
        return Response(board.picture(index), media_type="image/png")

    @app.api_route("/real/{index}/{which}", methods=_LOOKS)
    def real(index: int, which: int) -> Response:
        _check(board, index)
        if not 0 <= which < len(board.reals[board.items[index][0]]):
            raise HTTPException(404)
        return Response(board.real(index, which), media_type="image/png")

    @app.post("/review/{index}")
    def decide(index: int, body: _Decision, x_token: str = Header()) -> dict[int, dict[str, Any]]:
        if not secrets.compare_digest(x_token.encode(), board.token.encode()):
            raise HTTPException(403)
        _check(board, index)
        return board.decide(index, body.decision)

    return _with_headers(app)


def _refusal(request: Request) -> Response | None:
    """Return the answer to a request that is not read at all; None to others."""
    # A link in another page, such as a terminal in a browser, may open this one.
    if request.method not in _LOOKS and not _is_own(request):
        return Response("Another page sent this.", 403)
    # Browsers state a length; what is sent without one may never end.
    length = request.headers.get("content-length", "0" if request.method in _LOOKS else "")
    if not length.isdecimal():
        return Response("Send the length of the decision as Content-Length.", 411)
    if int(length) > _LONGEST_BODY:
        return Response("This is longer than a decision.", 413)
    return None


async def _not_understood(request: Request, error: Exception) -> Response:
    """Say where a request is wrong, without what was sent, as FastAPI's own answer has it.

    That may be what no JSON can say.
    """
    wrong = error.errors() if isinstance(error, RequestValidationError) else []
    places = sorted({".".join(map(str, each["loc"])) for each in wrong})
    return Response(f"Not understood: {', '.join(places)}.", 422)


async def _not_possible(request: Request, error: Exception) -> Response:
    """Say what became of the images while they were looked at."""
    return Response(in_words(error) if isinstance(error, OSError) else str(error), 409)


_HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    RequestValidationError: _not_understood,
    TerrabalanceError: _not_possible,
    OSError: _not_possible,
}


def _is_own(request: Request) -> bool:
    """Return whether a request comes from this page, or from the person; browsers say which."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = f"http://{request.headers.get('host', '')}"
    return site in (None, "none", "same-origin") and origin in (None, own)


def _with_headers(app: ASGIApp) -> ASGIApp:
    """Add `_HEADERS` to every answer that has none of its own, whatever part of `app` gave it."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await app(scope, receive, send_with_headers)

    return guarded


def _check(board: Board, index: int) -> None:
    if not 0 <= index < len(board.items):
        raise HTTPException(404)
