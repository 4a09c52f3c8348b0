"""Trainings that go on on another machine."""

from pathlib import Path
from typing import Any

import pytest
from machines import files_below, in_bucket, interrupt

from flows.settings.config import RunConfig
from flows.stages.generators import train_base
from flows.stages.run import Run
from flows.store.remote import Remote
from flows.store.unfinished import fetch_unfinished, publishing
from terrabalance.errors import StoreUnreachable
from terrabalance.files import parse_json, write_text
from terrabalance.progress import Progress, silent


def base_of(config: RunConfig, on_progress: Progress = silent) -> Path:
    folder = train_base(Run(config), on_progress)
    assert folder is not None
    return folder


def without_clock(files: dict[str, bytes]) -> dict[str, Any]:
    """Leave out what differs between two trainings of the same result."""
    card = parse_json(files["card.json"], "card")
    result = {k: v for k, v in card.items() if k not in ("seconds", "peak_memory_bytes")}
    done = parse_json(files["done.json"], "mark")
    del done["files"]["card.json"]
    return {**files, "card.json": result, "done.json": done}


def test_a_training_that_was_killed_goes_on_on_another_machine(
    scenes, tiny, tmp_path, address, s3, on_machine
):
    longer = {**tiny, "base": {**tiny["base"], "steps": 9, "evaluations": 3}}
    undisturbed = RunConfig(data=scenes, workdir=tmp_path / "here", **longer)
    expected = files_below(base_of(undisturbed))

    def of_the_base(message: str) -> bool:
        return not message.startswith("the classifier behind the features")

    def killed(done: int, _total: int, message: str = "") -> None:
        if done == 9 and of_the_base(message):
            raise KeyboardInterrupt

    config = RunConfig(data=scenes, workdir=address, **longer)
    with pytest.raises(KeyboardInterrupt):
        train_base(Run(config), killed)
    on_machine("two")
    config = RunConfig(**config.model_dump(mode="json"))
    seen: list[int] = []

    def listen(done: int, _total: int, message: str = "") -> None:
        if of_the_base(message):
            seen.append(done)

    found = files_below(base_of(config, listen))
    assert seen == [6, 9]  # from the checkpoint of step 3, the newest in the store
    assert without_clock(found) == without_clock(expected)
    assert not [path for path in s3.find(in_bucket(address)) if ".unfinished/" in path]


def test_a_checkpoint_that_was_uploaded_in_part_is_not_gone_on_from(result, monkeypatch):
    config, _ = result
    monkeypatch.setattr("flows.store.unfinished._SHARE", 0)
    name, bucket = "data/generators/River-1", Remote(str(config.storage))
    folder = config.workdir / name
    report = publishing(bucket, name, folder, silent)
    write_text(folder / "checkpoints" / "step_0000003.pt", "first")
    report(1, 9)
    whole = files_below(folder)
    write_text(folder / "checkpoints" / "step_0000006.pt", "second")
    write_text(folder / "losses.csv", "new")
    monkeypatch.setattr(Remote, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        report(2, 9)
    elsewhere = config.workdir / "elsewhere"
    fetch_unfinished(bucket, name, elsewhere)
    assert files_below(elsewhere) == whole


def test_a_checkpoint_that_cannot_be_uploaded_stops_no_training(
    scenes, tiny, address, on_machine, monkeypatch, caplog
):
    def no_space(*_: Any) -> None:
        raise StoreUnreachable("the bucket is full")

    config = RunConfig(data=scenes, workdir=address, **tiny)
    longer = config.model_copy(update={"base": config.base.model_copy(update={"steps": 9})})
    monkeypatch.setattr("flows.store.unfinished.as_bytes", no_space)
    assert base_of(longer).is_dir()
    assert "the bucket is full" in caplog.text
