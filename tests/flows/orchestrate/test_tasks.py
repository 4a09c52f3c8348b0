import errno

import httpx
import pytest
import torch
from prefect.states import Failed

from flows.orchestrate.tasks import _may_pass
from terrabalance.errors import BadInput, ProcessLost, StoreUnreachable


@pytest.mark.parametrize(
    "error",
    [
        StoreUnreachable("away"),
        ProcessLost("killed"),
        OSError(errno.ENOSPC, "no space left"),
        ConnectionResetError("by peer"),
        httpx.ConnectError("the Prefect server is away"),
        torch.OutOfMemoryError("another process has the GPU"),
    ],
)
def test_what_may_pass_is_tried_again(error):
    assert _may_pass(None, None, Failed(data=error))


@pytest.mark.parametrize(
    "error",
    [
        KeyError("looks"),
        ValueError("a bug"),
        BadInput("a wrong setting"),
        FileNotFoundError("no such image"),
        PermissionError("not yours"),
    ],
)
def test_a_bug_and_a_wrong_setting_are_not(error):
    assert not _may_pass(None, None, Failed(data=error))
