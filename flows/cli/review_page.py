"""A local page on which a person accepts or refuses synthetic images by eye."""

import io
import logging
import secrets
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from fastapi import FastAPI, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.middleware.base import RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from augment.network.card import read_bands
from augment.screen.limits import with_fixed
from augment.screen.rules import MEANINGS, NAMES
from augment.screen.statuses import FEW_LIMITS, has_few_limits, review, screening_record
from flows.stages.class_images import images_of, synthetic_folders
from flows.stages.run import Run
from terrabalance.errors import BadInput, NotReady, TerrabalanceError
from terrabalance.images import read_patch, to_pil
from terrabalance.manifest import Manifest, read_manifest, score_column
from terrabalance.page import render
from terrabalance.system_errors import in_words

_log = logging.getLogger(__name__)

_COOKIE = "terrabalance-review"
_LOOKS = ["GET", "HEAD"]  # methods that change nothing
_LONGEST_BODY = 1000  # bytes; a decision is one word
_REALS = 8  # real images shown beside each synthetic one
_ORDER = {"refused": 0, "ok": 1, "spare": 2}
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


@dataclass
class Board:
    """The images under review.

    Attributes:
        folders: class -> folder of its synthetic images, screened.
        run: whose images they are.
        reviewer: who decides.
        token: that a request for a change has to bring, so that no other page can send one.
        key: in the address that is printed, so that no other user of this machine can look or
            decide.
    """

    folders: dict[str, Path]
    run: Run
    reviewer: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.items = [
            (name, str(path))
            for name, folder in self.folders.items()
            for path in _refused_first(read_manifest(folder))
        ]
        self.reals = {
            name: self.run.catalogue.paths(self.run.catalogue.usable("train", name).head(_REALS))
            for name in self.folders
        }

    def states(self) -> list[dict[str, Any]]:
        """Return what the page shows of every image, in the order of `items`."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for name, folder in self.folders.items():
            record = screening_record(folder)
            limits = (record and record["limits"]) or {}
            note = FEW_LIMITS if record and has_few_limits(record) else ""
            for row in read_manifest(folder).frame.to_dict("records"):
                found[name, row["path"]] = {
                    "class": name, "path": row["path"], "status": row["status"],
                    "detail": row["detail"], "review": row["review"],
                    "scores": _scores(row, limits), "note": note, "reals": len(self.reals[name]),
                }  # fmt: skip
        if any(item not in found for item in self.items):
            raise NotReady("other images were drawn meanwhile. Start `terrabalance review` again.")
        return [found[item] for item in self.items]

    def decide(self, index: int, decision: Literal["accept", "refuse"] | None) -> None:
        """Keep a decision in the manifest."""
        name, path = self.items[index]
        with self._lock:
            review(self.folders[name], path, decision, self.reviewer)
            try:
                images_of(self.run, self.run.plan_of(name)).fetch(self.run.config)
            except TerrabalanceError as error:  # the decision is kept, and published by any stage
                _log.warning("kept on this machine so far: %s", error)

    def picture(self, index: int) -> bytes:
        """Return a synthetic image as PNG."""
        name, path = self.items[index]
        return self._png(read_manifest(self.folders[name]).root / path, name)

    def real(self, index: int, which: int) -> bytes:
        """Return one of the real images of the class of a synthetic one, as PNG."""
        name, _ = self.items[index]
        return self._png(self.reals[name][which], name)

    def _png(self, path: Path, class_name: str) -> bytes:
        bands = read_bands(self.run.names.generator(class_name))
        levels = read_patch(path, self.run.config.generator.image_size, bands)
        return _as_png(bands.preview(levels))


def board_of(run: Run, reviewer: str) -> Board:
    """Gather the screened images of a run.

    Raises:
        NotReady: a class is not drawn and screened.
        BadInput: nothing was drawn.
    """
    folders = synthetic_folders(run)
    if not folders:
        raise BadInput("this plan fills no class, so there is nothing to review.")
    return Board(folders, run, reviewer)


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
        given = request.query_params.get("key") or request.cookies.get(_COOKIE, "")
        if not secrets.compare_digest(given.encode(), board.key.encode()):
            return Response("Open the address that `terrabalance review` printed.", 403)
        answer = await call_next(request)
        answer.set_cookie(_COOKIE, board.key, httponly=True, samesite="strict")
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
    def decide(index: int, body: _Decision, x_token: str = Header()) -> list[dict[str, Any]]:
        if not secrets.compare_digest(x_token.encode(), board.token.encode()):
            raise HTTPException(403)
        _check(board, index)
        board.decide(index, body.decision)
        return board.states()

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


def _refused_first(manifest: Manifest) -> list[str]:
    frame = manifest.frame.assign(order=manifest.frame["status"].map(_ORDER))
    return list(frame.sort_values(["order", "path"])["path"])


def _scores(row: dict[Any, Any], limits: dict[str, float]) -> list[dict[str, Any]]:
    """Return the scores that are known, each with its limit; None where the rule has none."""
    highest = with_fixed(limits)
    known = [(rule, row.get(score_column(rule), np.nan), highest.get(rule)) for rule in NAMES]
    return [
        {
            "rule": rule,
            "score": round(score, 2),
            "limit": None if limit is None else round(limit, 2),
            "over": limit is not None and score > limit,
        }
        for rule, score, limit in known
        if np.isfinite(score)
    ]


def _as_png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    to_pil(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
