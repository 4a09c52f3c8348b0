"""Checkpoints: one dict of named parts in one file, whole or absent, newest by number."""

import hashlib
import io
import logging
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from terrabalance.errors import BadInput
from terrabalance.files import MADE_ANEW, atomic_write
from terrabalance.system_errors import pass_on_refusal

_FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
_NAME = re.compile(r"step_(\d+)\.pt")
_SEAL = "sha256"
_log = logging.getLogger(__name__)


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
        BadInput: the newest file is damaged; the message says which one to delete.
        OSError: the system does not give it.
    """
    files = _by_step(folder)
    return _load(files[-1][1]) if files else None


def load_newest_whole(folder: Path) -> dict[str, Any] | None:
    """As `load_newest`, but delete what is damaged, with a warning, and load the one before.

    For trainings that are short enough to lose a part of without asking.

    Raises:
        OSError: the system does not give a file, or does not let it be deleted.
    """
    for _, path in reversed(_by_step(folder)):
        try:
            return _load(path)
        except BadInput:
            path.unlink(missing_ok=True)
            _log.warning(
                "%s: this checkpoint was damaged and is deleted; the training goes on from the one "
                "before, or from its beginning", path,
            )  # fmt: skip
    return None


def _load(path: Path) -> dict[str, Any]:
    content = path.read_bytes()  # what the system refuses is no damage, and nothing to delete
    try:
        data = io.BytesIO(content)
        if damaged := zipfile.ZipFile(data).testzip():  # torch writes checksums, and reads none
            raise ValueError(f"{damaged} has another checksum")
        data.seek(0)
        parts: dict[str, Any] = torch.load(data, map_location="cpu", weights_only=True)
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


_AS_TRAINED = "Give weights as they were trained, in dense tensors of float32, float16 or bfloat16."


def finite_tensors(state: dict[str, Tensor]) -> set[str]:
    """Return the names of the tensors that hold neither NaN nor infinity."""
    return {name for name, tensor in state.items() if torch.isfinite(tensor).all()}


def load_result(module: torch.nn.Module, path: Path) -> None:
    """Load the weights of a result that was made here, into a module on the CPU or a device.

    Raises:
        BadInput: they cannot be read or do not fit; the message names the folder to delete.
    """
    remedy = f"Delete the folder {path.parent} to have it made again."
    load_into(module, read_tensors(path), str(path), remedy)


def load_into(
    module: torch.nn.Module, state: dict[str, Any], where: str, remedy: str = _AS_TRAINED
) -> None:
    """Load a state dict, naming the tensor, the wanted and the found shape on a mismatch.

    Raises:
        BadInput: a tensor is missing, unknown, or of another shape, or as of `refuse_unlike`;
            `where` names the file.
    """
    wanted = module.state_dict()
    refuse_unlike(wanted, state, where, remedy)
    for name in [*wanted, *(key for key in state if key not in wanted)]:
        need = tuple(wanted[name].shape) if name in wanted else None
        have = tuple(state[name].shape) if name in state else None
        if need != have:
            raise BadInput(
                f"{where}: tensor {name!r} has shape {have}, the model wants {need}. "
                "The file belongs to a model with other settings."
            )
    module.load_state_dict(state)


def refuse_unlike(
    wanted: dict[str, Tensor], state: dict[str, Any], where: str, remedy: str = _AS_TRAINED
) -> None:
    """Refuse tensors that torch cannot copy into those of a model, or copies into other values.

    torch casts without a word: whole numbers and booleans to floats, complex numbers to their real
    part, float64 to infinity.

    Args:
        wanted: tensors of the model, which say what those of the same name have to be.
        state: may come from strangers.
        where: names the file.
        remedy: what the user does about it.

    Raises:
        BadInput: a tensor is sparse, quantized, nested or without data, of another kind of values,
            or NaN or infinite where the model's is not.
    """
    for name, tensor in state.items():
        wrong = _why_not_dense(tensor)
        if not wrong and name in wanted:
            wrong = _why_unlike(wanted[name], tensor)
        if wrong:
            raise BadInput(f"{where}: tensor {name!r} {wrong}. {remedy}")


def _why_not_dense(tensor: Any) -> str:
    if not isinstance(tensor, Tensor):
        return f"is no tensor but a {type(tensor).__name__}"
    if tensor.is_quantized:
        return f"is quantized ({tensor.dtype})"
    if tensor.is_nested or tensor.layout != torch.strided:
        return f"is {'nested' if tensor.is_nested else f'of the layout {tensor.layout}'}"
    return "has a shape and no values (device meta)" if tensor.is_meta else ""


def _why_unlike(wanted: Tensor, found: Tensor) -> str:
    kinds = _FLOATS if wanted.dtype in _FLOATS else _WHOLE if wanted.dtype in _WHOLE else ()
    if found.dtype not in (wanted.dtype, *kinds):
        return f"is of {found.dtype}, the model's is of {wanted.dtype}"
    if torch.isfinite(found.to(wanted.dtype)).all() or not torch.isfinite(wanted).all():
        return ""
    return f"holds NaN, infinity, or values beyond {wanted.dtype}"


def write_tensors(path: Path, state: dict[str, Tensor]) -> None:
    """Write a state dict as safetensors, atomically, with a hash that `read_tensors` checks."""
    with atomic_write(path) as file:
        file.write(as_safetensors(state))


def as_safetensors(state: dict[str, Tensor]) -> bytes:
    """Return a state dict as the bytes of a safetensors file.

    The format refuses tensors that share memory, as layers with common weights have: each name
    gets its own copy, so that reading gives every name and `load_into` every layer its weights.
    """
    tensors: dict[str, Tensor] = {}
    stored = set[int]()
    for name, tensor in state.items():
        own = tensor.detach().contiguous().cpu()
        if own.untyped_storage().data_ptr() in stored:
            own = own.clone()
        stored.add(own.untyped_storage().data_ptr())
        tensors[name] = own
    return save(tensors, metadata={_SEAL: _seal_of(tensors)})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the safetensors of `write_tensors`, or of others, which have no hash, on the CPU.

    Raises:
        BadInput: the file is gone, no safetensors, or not what was written; the message names it.
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in names}
            seal = (file.metadata() or {}).get(_SEAL)
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        pass_on_refusal(error, path)
        raise BadInput(f"{path}: not weights that can be read ({error}). {MADE_ANEW}") from error
    if seal is not None and seal != _seal_of(tensors):
        raise BadInput(f"{path}: damaged, or changed since it was written. {MADE_ANEW}")
    return tensors


def _seal_of(tensors: dict[str, Tensor]) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def drop_checkpoints(folder: Path) -> None:
    """Delete all checkpoints of a training that has finished and keeps its result elsewhere."""
    for _, path in _by_step(folder):
        path.unlink(missing_ok=True)
