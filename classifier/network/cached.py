"""Whether the pretrained weights of a timm model are on this machine. No hub is asked."""

from pathlib import Path

import timm
import torch
from huggingface_hub import try_to_load_from_cache

# In the order in which timm looks for them.
_NAMES = ("model.safetensors", "pytorch_model.bin")


def cached_weights(model: str) -> Path | None:
    """Return the file that timm takes a model's pretrained weights from; None: it asks a hub.

    Args:
        model: name of an architecture of timm, with or without that of its weights.
    """
    config = timm.get_pretrained_cfg(model)
    if config is None:
        return None
    if not config.hf_hub_id:
        kept = Path(torch.hub.get_dir(), "checkpoints", Path(str(config.url)).name)
        return kept if kept.is_file() else None
    repository, _, revision = config.hf_hub_id.partition("@")
    for name in (config.hf_hub_filename,) if config.hf_hub_filename else _NAMES:
        found = try_to_load_from_cache(repository, name, revision=revision or None)
        if isinstance(found, str):  # else it is not known, or known to be missing there
            return Path(found)
    return None
