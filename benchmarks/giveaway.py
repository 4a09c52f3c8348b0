"""Do synthetic images give themselves away, untreated and treated as the pipeline treats them?

    python benchmarks/giveaway.py AID-LT.csv AID GENERATOR WORKDIR OUT --classes Forest,Park

GENERATOR is the folder of a finished one that knows all classes. Each class is drawn without the
filter of `augment.sample.spectrum`, then filtered by its real training images and those of the
other classes; what is drawn is kept in WORKDIR, and images of a generator that is elsewhere may be
put there (CLASS-keep0.6.npy, (N, 3, H, W) uint8, with its card.json and done.json in GENERATOR).
The probe of `augment.measure.giveaway` compares both with the class's validation images, which
neither the generator nor the filter has seen, and so it does with the real images of the part
`oracle`: what it says of two real parts is its zero. At last all are jittered, real and synthetic
alike, as classifiers are trained on them (`classifier.images.chroma`). The images are not screened.
OUT gets giveaway.md.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from augment.config import SamplingConfig
from augment.measure.giveaway import HIGHEST_GIVE_AWAY, give_away
from augment.network.card import read_bands, read_card
from augment.network.generator import load_generator
from augment.sample.batch import draw_batch
from augment.sample.class_sampler import MEASURED_ON
from augment.sample.spectrum import apply_map, spectrum_map
from classifier.config import ClassifierConfig
from classifier.images.chroma import jittered_by_name
from terrabalance.bands import Bands
from terrabalance.files import atomic_write, write_text
from terrabalance.images import read_patches
from terrabalance.markdown import markdown_table
from terrabalance.seeds import seed_for

AT_ONCE = 16
JITTER = float(ClassifierConfig.model_fields["chroma_jitter"].default)
PAGE = """# Do synthetic images give themselves away?

Area under the curve of the probe of `augment.measure.giveaway`, which sees codec traces and the
power
spectrum: images drawn at {side} px with sampling.keep={keep:g}, none screened, against the
validation images of the class. `untreated` as drawn; `filtered` as the pipeline does; `trained on`
with the grain of the colours changed at random besides, of the validation images as well
(classifier.chroma_jitter={jitter:g}); `real` other real images (the part oracle) instead, so
changed: what the probe makes of nothing. At most {bar:.2f} of `trained on`: {n_good} of {n}
classes.

{table}"""


class Parts:
    """Real images by class and part, at the generator's size."""

    def __init__(self, table: Path, images: Path, side: int, bands: Bands) -> None:
        self._rows, self._images = pd.read_csv(table), images
        self._side, self._bands = side, bands

    def of(self, name: str, split: str) -> np.ndarray:
        """Return (N, C, H, W) levels."""
        rows = self._rows[(self._rows["class"] == name) & (self._rows["split"] == split)]
        return read_patches([self._images / path for path in rows["path"]], self._side, self._bands)

    def classes(self) -> list[str]:
        """Return the names of all."""
        return sorted(self._rows["class"].unique())


def drawn(
    path: Path, generator: Path, name: str, n: int, keep: float, reals: np.ndarray
) -> np.ndarray:
    """Draw n images without a filter, or read those that were drawn."""
    if not path.exists():
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        diffusion = load_generator(generator, name, device, 1.0)
        config = SamplingConfig(steps=14, keep=keep, match_spectrum=False)
        seeds = seeds_of(name, n)
        batches = [seeds[first : first + AT_ONCE] for first in range(0, n, AT_ONCE)]
        starts = reals if config.starts_from_real else None
        images = [draw_batch(diffusion, each, config, device, starts=starts)[0] for each in batches]
        with atomic_write(path) as file:
            np.save(file, np.concatenate(images))
    found: np.ndarray = np.load(path)
    return found


def seeds_of(name: str, n: int) -> list[int]:
    """Return the seeds of a run of seed 0."""
    return [seed_for(0, "sample", name, index) for index in range(n)]


def judged(name: str, parts: Parts, given: argparse.Namespace) -> dict[str, object]:
    """Return one row of the table."""
    train, held_out = parts.of(name, "train"), parts.of(name, "val")
    path = given.workdir / f"{name}-keep{given.keep:g}.npy"
    made = drawn(path, given.generator, name, given.images_drawn, given.keep, train)
    others = [parts.of(other, "train") for other in parts.classes() if other != name]
    mapping = spectrum_map(train, made[:MEASURED_ON], others)
    filtered = apply_map(made, mapping, seeds_of(name, len(made)))
    trained_on = {
        kind: as_trained_on(images, f"{name} {kind}")
        for kind, images in (
            ("val", held_out), ("filtered", filtered), ("oracle", parts.of(name, "oracle"))
        )
    }  # fmt: skip
    found = {
        "untreated": give_away(held_out, made),
        "filtered": give_away(held_out, filtered),
        "trained on": give_away(trained_on["val"], trained_on["filtered"]),
        "real": give_away(trained_on["val"], trained_on["oracle"]),
    }
    print(name, {kind: area and round(area.value, 2) for kind, area in found.items()}, flush=True)
    return {
        "class": name, "training": len(train), "validation": len(held_out), "drawn": len(made),
        **{kind: area.value if area else np.nan for kind, area in found.items()},
        "standard error": found["filtered"].standard_error if found["filtered"] else np.nan,
    }  # fmt: skip


def as_trained_on(images: np.ndarray, name: str) -> np.ndarray:
    """Return images as a classifier sees them in training."""
    names = [f"{name} {index}" for index in range(len(images))]
    return jittered_by_name(torch.from_numpy(images), names, JITTER).numpy()


def main() -> None:
    """Judge the classes; write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("table", "images", "generator", "workdir", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--keep", type=float, default=0.6)
    parser.add_argument("--images-drawn", type=int, default=96)
    parser.add_argument("--classes", default="")
    given = parser.parse_args()
    side = read_card(given.generator)["config"]["generator"]["image_size"]
    parts = Parts(given.table, given.images, side, read_bands(given.generator))
    names = [name for name in given.classes.split(",") if name] or parts.classes()
    table = pd.DataFrame([judged(name, parts, given) for name in names])
    table = table.dropna(subset="trained on")
    rows = [
        [name, *(str(count) for count in line[:3]), *(f"{value:.2f}" for value in line[3:])]
        for name, *line in table.to_numpy()
    ]
    mean = table.mean(numeric_only=True)
    rows.append(["mean", *(f"{value:.0f}" for value in mean[:3]), *map("{:.2f}".format, mean[3:])])
    write_text(given.out / "giveaway.md", PAGE.format(
        side=side, keep=given.keep, jitter=JITTER, n=len(table), bar=HIGHEST_GIVE_AWAY,
        n_good=int((table["trained on"] <= HIGHEST_GIVE_AWAY).sum()),
        table=markdown_table(list(table.columns), rows),
    ))  # fmt: skip


if __name__ == "__main__":
    main()
