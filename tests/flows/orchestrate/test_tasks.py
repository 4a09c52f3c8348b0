import errno
import logging

import httpx
import pytest
import torch
from prefect.states import Failed

from flows.orchestrate.tasks import _may_pass, classify, plan
from flows.settings.config import RunConfig
from flows.stages.progress import watched_by
from terrabalance.errors import BadInput, ProcessLost, StoreUnreachable, SystemRefused
from terrabalance.files import write_json


@pytest.mark.parametrize("refused", [BadInput("a.png: is damaged."), KeyError("a bug")])
def test_a_refusal_is_logged_without_a_trace_and_a_bug_with_its_own(refused, caplog):
    log = logging.getLogger("prefect.flow_runs")
    log.addHandler(caplog.handler)
    caplog.set_level(logging.ERROR, log.name)  # servers of other tests have Prefect log less
    try:
        raise refused
    except Exception as error:
        log.exception("Encountered exception during execution: %r", error)
    finally:
        log.removeHandler(caplog.handler)
    assert ("Traceback" in caplog.text) == isinstance(refused, KeyError)
    assert ("BadInput: a.png: is damaged." in caplog.text) == isinstance(refused, BadInput)


def test_a_seed_that_the_run_does_not_have_is_refused_with_those_that_it_has(tiny, tmp_path):
    config = RunConfig(data=tmp_path, workdir=tmp_path, **tiny)
    with pytest.raises(BadInput, match=r"seed 7 is none of .* which have 0, 1\."):
        classify.fn(config, 7)


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


def refused_by(error: OSError) -> SystemRefused:
    try:
        raise SystemRefused("in words") from error
    except SystemRefused as refused:
        return refused


def test_what_the_system_refuses_is_tried_again_as_what_it_came_from():
    full = refused_by(OSError(errno.ENOSPC, "no space left"))
    assert _may_pass(None, None, Failed(data=full))
    assert not _may_pass(None, None, Failed(data=refused_by(PermissionError("not yours"))))


@pytest.mark.parametrize(("n_needed", "costs"), [(0, False), (3, True)])
def test_a_plan_that_fills_nothing_is_published_without_a_cost(
    tmp_path, monkeypatch, n_needed, costs
):
    path, published = tmp_path / "plan.json", list[str]()
    cost = {"train_s": 7200.0, "sample_s": 60.0, "device": "cpu"}
    rows = [{"class": "Beach", "n_needed": n_needed}, {"class": "River", "n_needed": 0}]
    write_json(path, {"classes": rows, "cost": cost, "left_out": "Two classes are left out."})
    monkeypatch.setattr("flows.stages.plan.make_plan", lambda *_: path)
    monkeypatch.setattr(
        "flows.orchestrate.tasks.publish_table", lambda _key, _rows, about: published.append(about)
    )
    with watched_by(lambda _: lambda *_progress: None):
        plan.fn(RunConfig(data=tmp_path, workdir=tmp_path))
    (about,) = published
    assert about.endswith("Two classes are left out.")
    assert ("of training and" in about) == costs
    assert ("fills no class" in about) != costs
