"""What was made of each class, what it took, and what was not made and why."""

from pathlib import Path
from typing import Any

import numpy as np

from augment.plan import ClassPlan
from augment.screen.statuses import screening_record
from flows.stages.class_images import images_of
from flows.stages.dataset import card_of
from flows.stages.generators import generator_of
from flows.stages.run import Run
from flows.store.result import Files, find, make_anew
from flows.store.sync import peek
from terrabalance.files import write_json
from terrabalance.finished import DONE
from terrabalance.images import grid, read_patches
from terrabalance.manifest import read_manifest
from terrabalance.progress import Progress
from terrabalance.sizes import at_most

_GRID_SIDE = 4  # pictures
_MOST_PX = 96  # of a picture's side: the server keeps all that is published


def class_facts(run: Run, plan: ClassPlan) -> dict[str, Any]:
    """Return what is known of a class's generator and images; None for what is not there yet."""
    generator, images = generator_of(run, plan.class_name), images_of(run, plan)
    trained = generator.is_here() or peek(run.config, generator.place, DONE)
    card = card_of(run.config, generator.place) if trained else {}
    find(run.config, images)
    made = screening_record(images.place) or {}
    seconds, chosen = card.get("seconds"), card.get("chosen") or {}
    return {
        "class": plan.class_name,
        "real": plan.n_train,
        "needed": plan.n_needed,
        "accepted": made.get("n_accepted"),
        "drawn": made.get("n_drawn"),
        "missing": made.get("n_missing"),
        "train_s": seconds,
        "images_per_s": round(card["images_seen"] / seconds, 1) if seconds else None,
        "loss": card.get("final_loss"),
        "held_out_loss": chosen.get("held_out_loss"),
        "kid": chosen.get("kid"),
        "generator": generator.place.name,
    }


def sample_of(run: Run, plan: ClassPlan) -> np.ndarray | None:
    """Return the first accepted images of a class as one (3, H, W) uint8 picture."""
    made = read_manifest(run.names.synthetic(plan))
    rows = made.usable().head(_GRID_SIDE**2)
    if rows.empty:
        return None
    size = at_most(run.config.generator.image_size, _MOST_PX)
    images = read_patches(made.unchanged(rows), size, run.bands)
    return grid(np.stack([run.bands.preview(image) for image in images]), _GRID_SIDE)


def write_account(run: Run, failed: dict[str, str]) -> Path:
    """Write `account.json`: a row for each class of the plan, with why it failed if it did."""
    path = run.report_folder / "account.json"
    account = Files(what="the account of the classes", place=path)

    def make(_devices: object, _listener: Progress) -> None:
        rows = [
            class_facts(run, plan) | {"failed": failed.get(plan.class_name, "")}
            for plan in run.filled
        ]
        write_json(path, rows)

    return make_anew(run.config, account, make)
