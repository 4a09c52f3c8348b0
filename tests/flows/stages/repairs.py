"""Masks, and the command that fills what they cover."""

from pathlib import Path

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from flows.cli.app import app

QUICK = ["--set", "steps=6", "--set", "resamplings=2", "--device", "cpu"]


def mask_of(path: Path, left: int, right: int, size: tuple[int, int] = (40, 60)) -> Path:
    covered = np.zeros(size, np.uint8)
    covered[: size[0] // 2, left:right] = 255
    Image.fromarray(covered).save(path)
    return path


def run(*arguments: object) -> object:
    return CliRunner().invoke(app, ["inpaint", *QUICK, *map(str, arguments)])
