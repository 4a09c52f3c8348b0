"""Averaged weights of several steps of a training, among which its end chooses."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from augment.train.ema import Average
from terrabalance.checkpoint import read_tensors, write_tensors
from terrabalance.errors import BadInput


class Snapshots:
    """Files in a folder, one for each step; the same step again replaces its file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, step: int, averages: Sequence[Average]) -> None:
        """Write the averages of a step."""
        tensors = {
            f"{place}/{name}": tensor
            for place, average in enumerate(averages)
            for name, tensor in average.network.state_dict().items()
        }
        write_tensors(self._path(step), tensors)

    def why_lost(self, step: int) -> str:
        """Return why the averages of a step cannot be loaded; "" where they can."""
        try:
            read_tensors(self._path(step))
        except BadInput as error:
            return str(error).split(". ")[0]
        return ""

    def load(self, step: int, place: int, network: nn.Module) -> None:
        """Load the average at `place` in `averages` of a step into `network`."""
        kept = read_tensors(self._path(step))
        mine = {name: kept[f"{place}/{name}"] for name in network.state_dict()}
        network.load_state_dict(mine)

    def drop(self) -> None:
        """Delete all of them."""
        for path in self._folder.glob("step_*.safetensors"):
            path.unlink(missing_ok=True)

    def _path(self, step: int) -> Path:
        return self._folder / f"step_{step:07d}.safetensors"
