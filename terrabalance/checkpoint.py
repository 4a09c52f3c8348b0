"""Checkpoints: one dict of named parts in one file, whole or absent, newest by number."""

import io
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from terrabalance.errors import BadInput
from terrabalance.files import atomic_write

_NAME = re.compile(r"step_(\d+)\.pt")


def save_checkpoint(folder: Path, step: int, parts: dict[str, Any], keep: int = 2) -> Path:
    """Write `step_<step>.pt` and then drop all but the newest `keep`.

    Args:
        folder: of one model's checkpoints.
        step: optimizer steps done; names the file.
        parts: state dicts and plain numbers, strings, lists and dicts; nothing that needs pickle.
        keep: how many to leave; at least 2, so that a damaged newest one has a predecessor.
    """
    path, memory = folder / f"step_{step:07d}.pt", io.BytesIO()
    torch.save({"step": step, **parts}, memory)  # to a full disk it would raise a RuntimeError
    with atomic_write(path) as file:
        file.write(memory.getbuffer())
    for _, old in _by_step(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def _by_step(folder: Path) -> list[tuple[int, Path]]:
    found = ((_NAME.fullmatch(path.name), path) for path in folder.glob("step_*.pt"))
    return sorted((int(match[1]), path) for match, path in found if match)


def load_newest(folder: Path) -> dict[str, Any] | None:
    """Load the newest checkpoint on the CPU (`weights_only`), or return None if there is none.

    Raises:
        BadInput: the newest file cannot be read; the message says which one to delete.
    """
    files = _by_step(folder)
    if not files:
        return None
    path = files[-1][1]
    try:
        parts: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise BadInput(
            # Not torch's own text: it recommends to switch the safe loader off.
            f"{path}: this checkpoint is damaged ({type(error).__name__}). "
            "Delete it to go on from the one before."
        ) from error
    return parts


def note_of_newest(folder: Path, name: str) -> Any:
    """Return one part of the newest checkpoint without reading its tensors; None without one.

    What is damaged is refused by `load_newest`, and has no note here.
    """
    files = _by_step(folder)
    if not files:
        return None
    try:
        parts = torch.load(files[-1][1], map_location="cpu", weights_only=True, mmap=True)
        return parts.get(name)
    except Exception:  # torch raises many kinds for a damaged file
        return None


def load_into(module: torch.nn.Module, state: dict[str, Any], where: str) -> None:
    """Load a state dict, naming the tensor, the wanted and the found shape on a mismatch.

    Raises:
        BadInput: a tensor is missing, unknown, or of another shape; `where` names the file.
    """
    wanted = module.state_dict()
    for name in [*wanted, *(key for key in state if key not in wanted)]:
        need = tuple(wanted[name].shape) if name in wanted else None
        have = tuple(state[name].shape) if name in state else None
        if need != have:
            raise BadInput(
                f"{where}: tensor {name!r} has shape {have}, the model wants {need}. "
                "The file belongs to a model with other settings."
            )
    module.load_state_dict(state)


def write_tensors(path: Path, state: dict[str, torch.Tensor]) -> None:
    """Write a state dict as safetensors; `path` appears only when it is whole."""
    with atomic_write(path) as file:
        file.write(as_safetensors(state))


def as_safetensors(state: dict[str, torch.Tensor]) -> bytes:
    """Return a state dict as the bytes of a safetensors file.

    The format refuses tensors that share memory, as layers with common weights have: each name
    gets its own copy, so that reading gives every name and `load_into` every layer its weights.
    """
    tensors: dict[str, torch.Tensor] = {}
    stored = set[int]()
    for name, tensor in state.items():
        own = tensor.detach().contiguous().cpu()
        if own.untyped_storage().data_ptr() in stored:
            own = own.clone()
        stored.add(own.untyped_storage().data_ptr())
        tensors[name] = own
    return save(tensors)


def drop_checkpoints(folder: Path) -> None:
    """Delete all checkpoints of a training that has finished and keeps its result elsewhere."""
    for _, path in _by_step(folder):
        path.unlink(missing_ok=True)
