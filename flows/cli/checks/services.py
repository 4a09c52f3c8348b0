"""What runs ask of others: a Prefect server, and weights from a hub."""

from pathlib import Path

from flows.cli.checks.finding import Finding
from flows.cli.configure import configure
from flows.cli.prefects import read_prefects_settings
from flows.settings.presets import PresetName


def check_prefect() -> Finding:
    """Ask the Prefect server of PREFECT_API_URL once, or tell that commands start their own.

    Raises:
        TerrabalanceError: Prefect's settings or that server cannot be used; the text says why.
    """
    read_prefects_settings()
    from flows.orchestrate.server import server_to_use

    return Finding("prefect", "ok", server_to_use())


def check_weights(preset: PresetName) -> Finding:
    """Tell whether the pretrained weights of a preset are on this machine. No hub is asked.

    Args:
        preset: whose classifier and feature network are looked for.
    """
    from huggingface_hub.constants import HF_HUB_OFFLINE

    from classifier.feature_network import TRAINED_HERE
    from classifier.network.cached import cached_weights

    config = configure(Path(), {"preset": preset})
    wanted = [config.classifier.model] if config.classifier.pretrained else []
    wanted += [config.fidelity.model] if config.fidelity.model != TRAINED_HERE else []
    missing = [model for model in wanted if cached_weights(model) is None]
    without = "without a hub: --weights FILE, for more see docs/how-to/weights.md"
    if not wanted:
        return Finding("weights", "ok", f"the preset {preset} needs none", without)
    if not missing:
        found = f"{', '.join(wanted)} are in the cache, as the preset {preset} needs them"
        return Finding("weights", "ok", found)
    found = f"not in the cache: {', '.join(missing)}, which the preset {preset} takes from a hub"
    if HF_HUB_OFFLINE:
        advice = f"unset HF_HUB_OFFLINE for a first run, or {without}"
        return Finding("weights", "warning", f"{found}; HF_HUB_OFFLINE forbids that", advice)
    return Finding("weights", "ok", f"{found} (not asked now)", without)
