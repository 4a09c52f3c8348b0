"""What was made of each class, what it took, and what was not made and why."""

from pathlib import Path
from typing import Any

import numpy as np

from augment.plan import ClassJob
from augment.screen.statuses import screening_record
from flows.settings.config import RunConfig
from flows.stages import stages
from flows.store import paths
from flows.store.bands import bands_of
from flows.store.sync import exchange, peek, publish_files
from terrabalance.files import DONE, done, write_json
from terrabalance.images import grid, read_patches
from terrabalance.manifest import Manifest, read_manifest
from terrabalance.sizes import at_most

_GRID_SIDE = 4  # pictures
_MOST_PX = 96  # of a picture's side: the server keeps all that is published


def class_facts(config: RunConfig, catalogue: Manifest, job: ClassJob) -> dict[str, Any]:
    """Return what is known of a class's generator and images; None for what is not there yet."""
    generator = paths.generator_folder(config, catalogue, job.class_name)
    synthetic = paths.synthetic_folder(config, catalogue, job)
    trained = done(generator) or peek(config, generator, DONE)
    card = stages.card_of(config, generator) if trained else {}
    exchange(config, synthetic, changes=True)
    made = screening_record(synthetic) or {}
    seconds, chosen = card.get("seconds"), card.get("chosen") or {}
    return {
        "class": job.class_name,
        "real": job.n_train,
        "needed": job.n_needed,
        "accepted": made.get("n_accepted"),
        "drawn": made.get("n_drawn"),
        "missing": made.get("n_missing"),
        "train_s": seconds,
        "images_per_s": round(card["images_seen"] / seconds, 1) if seconds else None,
        "loss": card.get("final_loss"),
        "held_out_loss": chosen.get("held_out_loss"),
        "kid": chosen.get("kid"),
        "generator": generator.name,
    }


def sample_of(config: RunConfig, catalogue: Manifest, job: ClassJob) -> np.ndarray | None:
    """Return the first accepted images of a class as one (3, H, W) uint8 picture."""
    made = read_manifest(paths.synthetic_folder(config, catalogue, job))
    rows = made.usable().head(_GRID_SIDE**2)
    if rows.empty:
        return None
    size = at_most(config.generator.image_size, _MOST_PX)
    bands = bands_of(config, catalogue)
    images = read_patches(made.paths(rows), size, bands)
    return grid(np.stack([bands.preview(image) for image in images]), _GRID_SIDE)


def write_account(config: RunConfig, failed: dict[str, str]) -> Path:
    """Write `account.json`: a row for each class of the plan, with why it failed if it did."""
    catalogue = stages.load_catalogue(config)
    rows = [
        class_facts(config, catalogue, job) | {"failed": failed.get(job.class_name, "")}
        for job in stages.load_jobs(config)
    ]
    path = paths.report_folder(config) / "account.json"
    write_json(path, rows)
    publish_files(config, [path])
    return path
