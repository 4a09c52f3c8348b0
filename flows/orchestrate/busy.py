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
    """Tells of answers of the Prefect server that it has no time, at most every 20 s.

    httpx logs every answer, with its parts as arguments; Prefect's client has no other place where
    an answer that it asks again for can be seen.
    """

    _told = -_TELL_EVERY_S

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) == 5:
            _, url, _, status, _ = record.args
            address, now = PREFECT_API_URL.value(), time.monotonic()
            of_prefect = address is not None and str(url).startswith(address)
            if of_prefect and status in _BUSY and now - self._told >= _TELL_EVERY_S:
                self._told = now
                _log.warning("the Prefect server is busy (status %s); asking again", status)
        return logging.getLogger().isEnabledFor(record.levelno)  # as without this filter


def tell_of_busy_server() -> None:
    """Have a line logged when the Prefect server has no time, in this process."""
    log = logging.getLogger("httpx")
    if not any(isinstance(known, _BusyAnswers) for known in log.filters):
        log.setLevel(logging.INFO)  # else an answer makes no record
        log.addFilter(_BusyAnswers())
