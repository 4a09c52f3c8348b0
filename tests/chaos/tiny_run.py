"""A tiny but whole run by its commands, and its undisturbed course."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from processes import Command, Nursery

from augment.scenes import draw_dataset

from .sameness import results

STAGES = ("scan", "plan", "train", "sample", "assemble", "classify", "report")
# Precision: what `auto` finds faster may differ between two runs.
_SETTINGS = """
preset = "demo"
drawn = true
device = "cpu"
name = "tiny"
plan = { target = "max", rarest = 1 }
generator = { image_size = 16, dim = 8, dim_mults = [1, 2], timesteps = 5 }
sampling = { steps = 4 }
[base]
steps = 8
evaluations = 1
batch_size = 4
preview_every = 6
checkpoint_every = 2
precision = "fp32"
[training]
steps = 8
evaluations = 2
batch_size = 4
preview_every = 6
checkpoint_every = 2
precision = "fp32"
[classifier]
model = "test_resnet"
image_size = 32
steps = 4
batch_size = 8
seeds = [0, 1]
arms = ["real", "synthetic"]
"""


@dataclass
class TinyRun:
    """A run on 23 drawn scenes of 32 px; its generators have 16 px and a few thousand weights.

    Attributes:
        nursery: does the commands.
        home: an empty folder.
        seconds: of each stage, undisturbed.
        after: of each stage, undisturbed, the results that the workdir then has.
    """

    nursery: Nursery
    home: Path
    seconds: dict[str, float] = field(default_factory=dict)
    after: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        draw_dataset(self.scenes, {"Forest": 10, "River": 8, "Beach": 5}, side_px=32)
        self._settings.write_text(_SETTINGS)
        for stage in STAGES:
            ended = self.nursery.do(self.command(stage))
            assert ended.exit == 0, ended.said
            self.seconds[stage], self.after[stage] = ended.seconds, results(self.workdir)
            shutil.copytree(self.workdir, self.made_by(stage))

    @property
    def scenes(self) -> Path:
        return self.home / "scenes"

    def made_by(self, stage: str) -> Path:
        """Return a copy of the workdir as the undisturbed stage leaves it."""
        return self.home / f"made-by-{stage}"

    @property
    def made(self) -> Path:
        """A copy of the workdir that the undisturbed run leaves."""
        return self.made_by("report")

    @property
    def workdir(self) -> Path:
        """The workdir of every run: its path is among the settings that are kept with a run."""
        return self.home / "work"

    @property
    def _settings(self) -> Path:
        return self.home / "tiny.toml"

    def command(self, stage: str, *options: str) -> Command:
        where = (str(self.scenes), "--config", str(self._settings), "--workdir", str(self.workdir))
        return (stage, *where, *options)

    def all_stages(self, *options: str) -> list[Command]:
        return [self.command(stage, *options) for stage in STAGES]

    def put(self, made: Path | None) -> None:
        """Put a copy of a workdir, or none, in the place of the workdir."""
        shutil.rmtree(self.workdir, ignore_errors=True)
        if made is not None:
            shutil.copytree(made, self.workdir)
