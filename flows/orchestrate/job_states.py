"""How the runners read what became of a job, and where its process reports to."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed

ATTEMPTS = 3  # at a job whose process, node or worker dies
LOOK_EVERY_S = 0.5
_PREFECTS_WORDS = re.compile(r"^(Task|Flow) run encountered an exception:? (BadInput|NotReady): ")


def reasons(states: Mapping[str, State[Any]]) -> dict[str, str]:
    """Return label -> reason of the jobs that failed."""
    return {label: plainly(s) for label, s in states.items() if not s.is_completed()}


def plainly(state: State[Any]) -> str:
    """Return why a run failed, without Prefect's words before ours."""
    return _PREFECTS_WORDS.sub("", str(state.message or state.name))


def final_state(future: PrefectFuture[Any]) -> State[Any] | None:
    """Return the final state of a future, None before; a process that was killed has crashed.

    Asks the process and not the server, which may be away.
    """
    try:
        future.result(timeout=0, raise_on_failure=False)
    except TimeoutError:
        return None
    except Exception as error:
        return Crashed(message=f"its process died ({type(error).__name__}: {error})")
    return future.state


@contextmanager
def one_server() -> Iterator[None]:
    """Let other processes report to the server that Prefect has started, where none is named.

    Each would else start one, which takes longer than many a job.
    """
    if PREFECT_API_URL.value():
        yield
        return
    from prefect.server.api.server import SubprocessASGIServer  # takes seconds, and is seldom asked

    server = SubprocessASGIServer()
    server.start()
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        yield
