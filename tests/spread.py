"""A job of two classes that is to be spread over processes and machines, and struck on the way."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waiting import eventually

from flows.orchestrate.balance import train_and_synthesize
from flows.settings.config import RunConfig
from terrabalance.files import sha256_of

_MADE = ("*.safetensors", "*.png", "manifest.csv", "losses.csv", "screening.json")
# Long in steps, which are what is struck; one average has no length to choose by evaluations.
_TRAINING = {
    "steps": 100, "checkpoint_every": 10, "preview_every": 100, "evaluations": 1, "ema_decay": 0.9,
}  # fmt: skip


def two_classes(scenes: Path, tiny: dict[str, Any], workdir: Path, **execution: Any) -> RunConfig:
    """Settings that fill two classes, long enough to be struck in mid-training."""
    given = {
        **tiny,
        "plan": {"target": "max", "rarest": 2},
        "training": {**tiny["training"], **_TRAINING},
        "execution": execution,
    }
    return RunConfig(data=scenes, workdir=workdir, name="two", **given)


def made_by(config: RunConfig) -> dict[str, str]:
    """Run the generators; file -> hash of what they made."""
    train_and_synthesize(config)
    data = config.workdir / "data"
    paths = [path for pattern in _MADE for path in data.rglob(pattern)]
    return {str(path.relative_to(data)): sha256_of(path) for path in paths}


def with_the_base(undisturbed: Path, workdir: Path, *classes: str) -> Path:
    """Give a workdir what another one has made before its classes, and some of these; return it."""
    of_classes = [f"{kind}/{name}-*" for name in classes for kind in ("generators", "synthetic")]
    for made in ("catalogues/*", "classifiers/*", "generators/base-*", *of_classes):
        for path in (undisturbed / "data").glob(made):
            if path.is_dir():  # and no lock
                shutil.copytree(path, workdir / path.relative_to(undisturbed))
    return workdir


def wait_for_mid_training(config: RunConfig) -> None:
    """Return once a class has a checkpoint, and none has been finished meanwhile."""
    generators = config.workdir / "data" / "generators"
    before = set(generators.glob("[!b]*-*/done.json"))

    def has_checkpoint() -> bool:
        found = generators.glob("[!b]*-*/checkpoints/*.pt")
        return any(path.parents[1] / "done.json" not in before for path in found)

    eventually(has_checkpoint, "a class is in training", every_s=0.05)
    assert set(generators.glob("[!b]*-*/done.json")) == before


def in_mid_training(config: RunConfig, strike: Callable[[], None]) -> threading.Thread:
    """Call `strike` then, beside the caller."""

    def wait() -> None:
        wait_for_mid_training(config)
        strike()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread
