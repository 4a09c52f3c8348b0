from typing import get_args

from flows.orchestrate.perform import RUNNERS
from flows.settings.execution import ExecutionConfig


def test_every_runner_that_can_be_asked_for_is_there():
    field = ExecutionConfig.model_fields["runner"]
    assert set(RUNNERS) == set(get_args(field.annotation))
