"""A Prefect server that has too much to do: how long its answer is waited for, and what is told.

A server on a SQLite file answers 503 while another process writes to that file, and so does what
stands before a server that is starting anew. Prefect's client then asks again by itself, first
after 2 s and each time after twice as long. It says nothing of that, and gives up after a minute.
"""

import logging
import time

import httpx
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, get_current_settings

_log = logging.getLogger(__name__)
_BUSY = (
    httpx.codes.TOO_MANY_REQUESTS,
    httpx.codes.BAD_GATEWAY,
    httpx.codes.SERVICE_UNAVAILABLE,
)
_RETRIES = 8  # eight and a half minutes in all
_NO_NEWS_S = 5.0  # the third refusal in a row, after 2 and 4 s
_TELL_EVERY_S = 20.0


def is_busy(answer: httpx.Response) -> bool:
    """Return whether a server answers that it has no time now."""
    return answer.status_code in _BUSY


def patience() -> dict[str, str]:
    """Return the setting by which Prefect's client waits for minutes, unless the user has set it.

    As a variable of the environment.
    """
    name = PREFECT_CLIENT_MAX_RETRIES.name
    known = get_current_settings().to_environment_variables(exclude_unset=True)
    return {} if name in known else {name: str(_RETRIES)}


class _BusyAnswers(logging.Filter):
    """Tells of requests that the Prefect server has had no time for in seconds, at most every 20 s.

    A server on a file refuses a single request now and then, as two of its own services write at
    once: that is no news. httpx logs every answer, with its parts as arguments; Prefect's client
    has no other place where an answer that it asks again for can be seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told = -_TELL_EVERY_S
        self._refused_since: dict[tuple[str, str], float] = {}  # by method and address

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) == 5:
            method, url, _, status, _ = record.args
            address = PREFECT_API_URL.value()
            if address is not None and str(url).startswith(address):
                self._note((str(method), str(url)), status)
        return logging.getLogger().isEnabledFor(record.levelno)  # as without this filter

    def _note(self, request: tuple[str, str], status: object) -> None:
        if status not in _BUSY:
            self._refused_since.pop(request, None)
            return
        now = time.monotonic()
        since = self._refused_since.setdefault(request, now)
        if now - since >= _NO_NEWS_S and now - self._told >= _TELL_EVERY_S:
            self._told = now
            _log.warning("the Prefect server is busy (status %s); asking again", status)


def tell_of_busy_server() -> None:
    """Have a line logged when the Prefect server has no time for seconds, in this process."""
    log = logging.getLogger("httpx")
    if not any(isinstance(known, _BusyAnswers) for known in log.filters):
        log.setLevel(logging.INFO)  # else an answer makes no record
        log.addFilter(_BusyAnswers())
