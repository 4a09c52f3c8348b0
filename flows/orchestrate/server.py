"""The Prefect server that a command reports to: there, of use, and asked in sentences."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import prefect
from prefect.client.base import ServerType
from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_SERVER_DATABASE_CONNECTION_URL,
    PREFECT_SERVER_EPHEMERAL_ENABLED,
    temporary_settings,
)

from flows.orchestrate.busy import is_busy, tell_of_busy_server
from flows.orchestrate.embedded import embedded_server, refused
from terrabalance.errors import BadInput, ServerUnreachable

_ANSWER_S = 20.0
_GLANCE_S = 3.0
_REFUSING = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
_ANOTHER = "what answers there is no Prefect server. Correct the address, which ends with /api"


def need_named_server(what: str) -> None:
    """Refuse what an embedded server, which ends with its command, is of no use for.

    Args:
        what: needs one that stays.

    Raises:
        BadInput: PREFECT_API_URL names none.
    """
    if not PREFECT_API_URL.value():
        raise BadInput(
            f"{what} needs a Prefect server that stays, and PREFECT_API_URL names none. Start one "
            "with `prefect server start`, then `export PREFECT_API_URL=http://127.0.0.1:4200/api`."
        )


@contextmanager
def some_server(meanwhile: Callable[[], object] = lambda: None) -> Iterator[str]:
    """Have a server in the block: the one that PREFECT_API_URL names, or an embedded one.

    Yields what stays the same from one command to the next: the address, or that of the database.

    Args:
        meanwhile: is called while an embedded one starts, which takes seconds.

    Raises:
        BadInput: the variables that name a proxy cannot be used.
        ServerUnreachable: it cannot be reached or used, or it went away inside the block.
    """
    _check_proxies()
    if not PREFECT_API_URL.value():
        _check_embedded()
        with (
            embedded_server(meanwhile),
            _errors_in_words("Prefect's embedded server", refused, "when this machine has time"),
        ):
            yield str(PREFECT_SERVER_DATABASE_CONNECTION_URL.value())
        return
    check_server()
    named = f"the Prefect server at {_name()}"
    with _errors_in_words(named, _refused_by_named, "once it answers"):
        yield PREFECT_API_URL.value()


def server_to_use() -> str:
    """Say which server a command would report to: the one that is named, asked once, or its own.

    Raises:
        BadInput: as of `some_server`.
        ServerUnreachable: the one that is named has not answered in seconds, or cannot be used; or
            none is named and none may be started.
    """
    _check_proxies()
    if PREFECT_API_URL.value():
        check_server(is_patient=False)
        return f"the server at {_name()} answers"
    _check_embedded()
    return "PREFECT_API_URL names no server: each command starts one, which ends with it"


def _check_embedded() -> None:
    if not PREFECT_SERVER_EPHEMERAL_ENABLED.value():
        raise ServerUnreachable(
            "PREFECT_SERVER_EPHEMERAL_ENABLED=false: no server may be started here, and "
            "PREFECT_API_URL names none. Name one, or set it to true."
        )


@contextmanager
def _errors_in_words(
    who: str, why: Callable[[httpx.Response], ServerUnreachable], when: str
) -> Iterator[None]:
    """Raise as a sentence that a server refuses something in the block, or has gone away.

    Args:
        who: the server.
        why: returns what is said of an answer that is an error.
        when: the same command may be given again.

    Raises:
        ServerUnreachable: it says so.
    """
    try:
        yield
    except (httpx.HTTPError, ConcurrencySlotAcquisitionError) as error:
        # Each task asks for slots first, and is told of what it asked in another error.
        is_of_slots = isinstance(error, ConcurrencySlotAcquisitionError)
        cause = error.__cause__ if is_of_slots else error
        if isinstance(cause, httpx.HTTPStatusError) and _is_the_servers(cause.response):
            raise why(cause.response) from error
        if isinstance(cause, httpx.TransportError):
            raise ServerUnreachable(
                f"{who} does not answer any more ({_reason(cause)}). What is made is kept: give "
                f"the same command again {when}."
            ) from error
        raise


def _check_proxies() -> None:
    """Read the proxies of the environment as every client of Prefect does.

    Raises:
        BadInput: one has no address, or is of a kind that is not supported here.
    """
    try:
        httpx.Client().close()
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise BadInput(
            f"the proxies of this environment cannot be used ({error}). Correct the variables "
            "HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or unset them."
        ) from error


def check_server(is_patient: bool = True) -> None:
    """Make sure that the server of PREFECT_API_URL answers, and is one for this Prefect.

    Where nothing answers, it is not asked again.

    Args:
        is_patient: one that is busy is waited for as later in a run: as often as Prefect's client
            asks again; after seconds with a line. Else an answer has three seconds.

    Raises:
        ServerUnreachable: nothing answers there, something else does, it refuses this user, is busy
            for too long, or is of another major version.
    """
    try:
        version = _version_there() if is_patient else _glance()
    except httpx.HTTPStatusError as error:
        raise _refused_by_named(error.response) from error
    # OSError: PREFECT_API_SSL_CERT_FILE is not there, or is none.
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise _unusable(
            f"no Prefect server answers there ({_reason(error)}). Start one with `prefect server "
            "start`, correct the address, or unset it to do without one"
        ) from error
    except ValueError as error:  # an answer that is not JSON
        raise _unusable(_ANOTHER) from error
    theirs, ours = version.split(".")[0], prefect.__version__.split(".")[0]
    if not theirs.isdigit():
        raise _unusable(_ANOTHER)
    if theirs != ours:
        raise _unusable(
            f"that server is Prefect {version}, and this is Prefect {prefect.__version__}. Both "
            "need the same first number: update the older one"
        )


def _version_there() -> str:
    """Return the version of Prefect that answers; a busy server is asked again."""
    try:
        return _glance(_ANSWER_S)
    except httpx.HTTPStatusError as error:
        if not is_busy(error.response):
            raise
    tell_of_busy_server()
    return _ask_version()


def _glance(answer_s: float = _GLANCE_S) -> str:
    """Return the version of Prefect that answers; a busy server is not asked again."""
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):  # else for minutes
        return _ask_version(answer_s)


def _ask_version(answer_s: float = _ANSWER_S) -> str:
    """Return the version of Prefect that answers; ours of Prefect Cloud, which fits every one."""
    with get_client(httpx_settings={"timeout": answer_s}, sync_client=True) as client:
        client.hello()
        is_cloud = client.server_type == ServerType.CLOUD
        return prefect.__version__ if is_cloud else str(client.api_version())


def _is_the_servers(answer: httpx.Response) -> bool:
    """Return whether the server or its keeper has to act, and not we."""
    return answer.is_server_error or answer.status_code in _REFUSING


def _refused_by_named(answer: httpx.Response) -> ServerUnreachable:
    return _unusable(_why_refused(answer))


def _why_refused(answer: httpx.Response) -> str:
    code = answer.status_code
    if code in _REFUSING and (detail := _detail_of(answer)):
        return (
            f"the server refuses what this command asks (status {code}: {detail}). If it refuses "
            "this user, set PREFECT_API_AUTH_STRING as the server has it, or PREFECT_API_KEY for "
            "Prefect Cloud"
        )
    if code in _REFUSING:
        return (
            f"the server refuses this user (status {code}). Set PREFECT_API_AUTH_STRING as the "
            "server has it, or PREFECT_API_KEY for Prefect Cloud"
        )
    if answer.is_server_error:
        return f"the server fails (status {code}). See its log, and try again once it works"
    return f"{_ANOTHER} (status {code})"


def _detail_of(answer: httpx.Response) -> str:
    """Return what a server says of why it refuses; "" where it says nothing in a text."""
    try:
        said = answer.json()
    except ValueError:
        return ""
    detail = said.get("detail") if isinstance(said, dict) else None
    return detail.rstrip(". ") if isinstance(detail, str) else ""


def _unusable(reason: str) -> ServerUnreachable:
    return ServerUnreachable(f"PREFECT_API_URL={_name()}: {reason}.")


def _name() -> str:
    """Return the server's address without user and password."""
    return re.sub("//[^/@]*@", "//", PREFECT_API_URL.value() or "")


def _reason(error: Exception) -> str:
    """Return what an error says; those of a time limit say nothing."""
    return str(error) or type(error).__name__
