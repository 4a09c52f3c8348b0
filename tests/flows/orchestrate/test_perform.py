"""Who does jobs, and what is said of those that failed."""

import asyncio
from typing import get_args

import pytest
from prefect.states import exception_to_failed_state

from flows.orchestrate.job_states import plainly
from flows.orchestrate.perform import RUNNERS
from flows.settings.execution import ExecutionConfig
from terrabalance.errors import BadInput


def test_every_runner_that_can_be_asked_for_is_there():
    field = ExecutionConfig.model_fields["runner"]
    assert set(RUNNERS) == set(get_args(field.annotation))


@pytest.mark.parametrize(
    "who", ["Task run encountered an exception", "Flow run encountered an exception:"]
)
def test_a_reason_is_said_without_prefects_words(who):
    state = asyncio.run(exception_to_failed_state(BadInput("a.png: is damaged."), message=who))
    assert plainly(state) == "a.png: is damaged."
    bug = asyncio.run(exception_to_failed_state(KeyError("x"), message=who))
    assert "KeyError" in plainly(bug)
