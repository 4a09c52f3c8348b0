"""What a catalogue of very many images costs before any work is done on a device.

    python benchmarks/catalogue_scale.py 100000 1000      # images, classes

Writes a catalogue of so many rows (no image files; half of them real sizes of AID, 60/20/20), and
times what a run asks of it: reading, counting, naming every class's result folder, and one class's
own share, which is paid in each task. Figures: docs/scale.md.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from augment.catalogue.config import ScanConfig
from augment.catalogue.hashes import N_SYMMETRIES, Sketches
from augment.catalogue.near import near_duplicate_labels
from augment.plan import plan_classes
from flows.settings.config import RunConfig
from flows.store.bands import bands_of
from flows.store.names import Names
from terrabalance.bands import RGB
from terrabalance.files import write_json
from terrabalance.finished import mark_done
from terrabalance.manifest import Manifest, count_by_class, frame_of, read_manifest, write_manifest

FEWEST = ("train", "train", "val", "test")  # parts of the first images of every class


def sketches_of(n_images: int) -> Sketches:
    """Return sketches of as many different pictures."""
    rng, sketches = np.random.default_rng(0), Sketches.room_for(n_images)
    sketches.hashes[:] = rng.integers(0, 2**64, (n_images, N_SYMMETRIES), dtype=np.uint64)
    sketches.thumbnails[:] = rng.integers(0, 256, sketches.thumbnails.shape, dtype=np.uint8)
    sketches.ranges[:, 1] = 1  # pictures without contrast are not compared
    return sketches


def catalogue_of(n_images: int, n_classes: int, root: Path) -> Manifest:
    """Return a manifest of a long tail: the rarest class has a hundredth of the largest."""
    rng = np.random.default_rng(0)
    weights = np.geomspace(1, 0.01, n_classes)
    labels = rng.choice(n_classes, n_images, p=weights / weights.sum())
    splits = rng.choice(["train", "val", "test"], n_images, p=[0.6, 0.2, 0.2])
    # A class of the tail has its few images in every part, whatever the draw.
    fewest = np.arange(min(n_images, n_classes * len(FEWEST)))
    labels[fewest], splits[fewest] = fewest % n_classes, np.array(FEWEST)[fewest // n_classes]
    frame = frame_of([{"path": "x"}]).iloc[[0] * n_images].reset_index(drop=True)
    names = np.array([f"class_{label:04d}" for label in range(n_classes)])
    frame["class"] = names[labels]
    frame["path"] = [f"{name}/{row:08d}.jpg" for row, name in enumerate(frame["class"])]
    frame["split"] = splits
    frame["status"], frame["source"], frame["mode"] = "ok", "real", "RGB"
    frame[["width_px", "height_px", "bands"]] = 600, 600, 3
    frame["sha256"] = [f"{row:064x}" for row in range(n_images)]
    return Manifest(root, frame)


@contextmanager
def timed(label: str) -> Iterator[None]:
    """Print the processor time that the block took."""
    began = time.process_time()
    yield
    print(f"{label}: {time.process_time() - began:.2f} s", flush=True)


def main() -> None:
    """Time each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=int)
    parser.add_argument("classes", type=int)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        folder = root / "data" / "catalogues" / "made"
        with timed("make the rows"):
            made = catalogue_of(given.images, given.classes, root / "images")
        with timed("write the manifest"):
            write_manifest(made, folder)
        print(f"{(folder / 'manifest.parquet').stat().st_size / 2**20:.0f} MiB of Parquet")
        write_json(folder / "bands.json", vars(RGB))
        mark_done(folder, {})
        with timed("read the manifest (each task)"):
            manifest = read_manifest(folder)
        memory = manifest.frame.memory_usage(deep=True).sum() / 2**20
        print(f"{memory:.0f} MiB in memory")
        sketches = sketches_of(given.images)
        with timed("find near-duplicates among the hashes of as many images"):
            near_duplicate_labels(sketches, ScanConfig().near_duplicate_bits)
        _time_names(RunConfig(data=root / "images", workdir=root, preset="8gb"), manifest)


def _time_names(config: RunConfig, manifest: Manifest) -> None:
    with timed("count and plan"):
        counts = {str(c): int(n) for c, n in count_by_class(manifest, "train").items()}
        filled = [plan for plan in plan_classes(counts, config.plan) if plan.n_needed]
    with timed("name the base"):
        names = Names(config, manifest, bands_of(config, manifest))
        print(names.base)
    with timed("name one class's results"):
        names.synthetic(filled[0])
    with timed(f"name the results of all {len(filled)} classes"):
        for plan in filled:
            names.synthetic(plan)


if __name__ == "__main__":
    main()
