"""What is done with a base that is named, in small."""

from pathlib import Path
from typing import Any

from augment.scenes import draw_scene
from flows.settings.config import RunConfig
from flows.stages.generators import train_base, train_class
from flows.stages.run import Run
from terrabalance.images import write_png


def train_all(config: RunConfig) -> dict[str, Path]:
    """Train the generators of the plan, as the flow does; class -> folder."""
    train_base(Run(config))
    return {job.class_name: train_class(Run(config), job.class_name) for job in Run(config).filled}


def changed(config: RunConfig, **given: Any) -> RunConfig:
    return RunConfig(**{**config.model_dump(), **given})


def add_images(config: RunConfig, class_name: str, painted: str, n: int) -> None:
    for index in range(n):
        path = config.data / class_name / f"new_{index}.png"
        path.parent.mkdir(exist_ok=True)
        write_png(path, draw_scene(painted, 1000 + index, 32))
