"""What does a generator learn of pixels without data, by how they are filled for training?

    python benchmarks/gaps.py EUROSAT efficientnet-lite0.pth WORKDIR docs/benchmarks

Half of the training tiles lose a corner, as at the end of a satellite's swath. From one base a
generator is trained on each filling; files are read, and generators trained, by the product's own
functions. What is drawn is kept in WORKDIR, so that the script goes on where it was stopped. Writes
gaps.md and gaps.png.
"""

import argparse
import platform
import time
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from charts import save
from gap_marks import Marks, changes, linear_probe
from gap_tiles import ARMS, CLEAN, MASKED, SHARES, SIDE_PX, TILE_PX, read_arm, valid_of
from scipy.ndimage import minimum_filter
from torch import Tensor

from augment.config import SamplingConfig, TrainingConfig
from augment.measure.giveaway import give_away
from augment.measure.metrics import Estimate, kernel_distance
from augment.network.config import GeneratorConfig
from augment.network.generator import build_diffusion
from augment.sample.batch import draw_batch
from augment.train.batches import Batch
from augment.train.data import TrainingData
from augment.train.spec import TrainingSpec
from augment.train.stepper import Stepper
from augment.train.training import train_generator
from classifier.feature_network import FeatureConfig
from classifier.network.features import FeatureNetwork, pretrained_network
from terrabalance.cuda_graphs import RecordedGradients
from terrabalance.device import describe_device
from terrabalance.files import atomic_write, slug, write_text
from terrabalance.images import grid, read_patches
from terrabalance.markdown import markdown_table
from terrabalance.seeds import seed_for

CLASS = "Residential"
N_TRAIN, N_HELD_OUT, N_DRAWN = 200, 400, 200
FALSE_RATE = 0.01  # of the marks, on clean real tiles
CPU = torch.device("cpu")
GENERATOR = GeneratorConfig(
    image_size=SIDE_PX, dim=16, dim_mults=(1, 2, 4), attention_heads=2, attention_dim=16
)
BASE = TrainingConfig(
    steps=4000, batch_size=8, learning_rate=2e-3, ema_decay=0.99, evaluations=0, precision="fp32",
    symmetries="none",
)  # fmt: skip
TRAINING = BASE.model_copy(update={"steps": 600, "learning_rate": 1e-3})
SEEDS = (0, 1)
SAMPLING, AT_ONCE = SamplingConfig(steps=14), 50


def learn_where_valid(stepper: Stepper, *fields: Tensor) -> Tensor:
    """Add the gradients of the loss at pixels of data alone; a fourth band says where they are."""
    part, diffusion = Batch(*fields), stepper.diffusion
    images, noise, weight = part.images[:, :3], part.noise[:, :3], (part.images[:, 3:] > 0).float()
    predicted = diffusion.model(diffusion.q_sample(images, part.times, noise), part.times)
    each = (predicted - diffusion.predict_v(images, part.times, noise)).square().mean(1)
    shares = (each * weight[:, 0]).sum((1, 2)) / weight.sum((1, 2, 3))
    loss = (shares * diffusion.loss_weight[part.times]).mean()
    loss.backward()
    return loss.detach()


def base_of(clean: np.ndarray, workdir: Path) -> Path:
    """Train the base on clean tiles that no arm has; return its folder."""
    spec = TrainingSpec(CLASS, GENERATOR, BASE, 0)
    return train_generator(TrainingData(clean), spec, workdir / "base", [CPU])


def draw_after_training(arm: str, images: np.ndarray, base: Path, seed: int) -> np.ndarray:
    """Train a generator on images, from the base, and draw from it; (N, 3, 32, 32) uint8."""
    spec = TrainingSpec(CLASS, GENERATOR, TRAINING, seed, base)
    if arm == MASKED:
        # A small image's pixel is data where all below the main lobe of the reduction's filter is.
        whole = np.stack([minimum_filter(valid_of(i), 6)[1::2, 1::2] for i in range(len(images))])
        images = np.concatenate([images, whole[:, None] * np.uint8(255)], axis=1)
    stepper = Stepper(images, np.zeros(len(images), int), spec, CPU, "fp32")
    if arm == MASKED:
        stepper.gradients = RecordedGradients(partial(learn_where_valid, stepper), CPU)
    for _ in range(TRAINING.steps):
        stepper.advance()
    seeds = [seed_for(seed, "sample", CLASS, index) for index in range(N_DRAWN)]
    with stepper.drawing_with(stepper.average) as diffusion:
        parts = [
            draw_batch(diffusion, seeds[first : first + AT_ONCE], SAMPLING, CPU)[0]
            for first in range(0, N_DRAWN, AT_ONCE)
        ]
    return np.concatenate(parts)


def drawn(arm: str, images: np.ndarray, seed: int, base: Path) -> np.ndarray:
    """Draw from a generator trained on images, or read what was drawn."""
    path = base.parent / f"{slug(arm)}-{seed}.npy"
    if not path.exists():
        began = time.process_time()
        made = draw_after_training(arm, images, base, seed)
        with atomic_write(path) as file:
            np.save(file, made)
        print(f"{arm}, seed {seed}: {time.process_time() - began:.0f} s of CPU time", flush=True)
    found: np.ndarray = np.load(path)
    return found


class Judge:
    """What tells images with a gap, or what is left of one.

    Args:
        real: (N, 3, 32, 32) uint8 tiles, held out from all generators.
        clean: tiles that no arm has, to measure the marks by.
        network: for KID and the probe.
    """

    def __init__(self, real: np.ndarray, clean: np.ndarray, network: FeatureNetwork) -> None:
        self._network, self._marks = network, Marks(clean, FALSE_RATE)
        self._real, self._held_out = real, network.embed(real)

    def of_tiles(self, tiles: np.ndarray, clean: np.ndarray) -> list[str]:
        """Judge tiles with gaps against the same ones before."""
        return [
            self._marked(tiles), *changed([(tiles, clean)]),
            cell([self._probed(self._real, tiles)]),
        ]  # fmt: skip

    def of_drawn(self, made: list[np.ndarray], clean: list[np.ndarray]) -> list[str]:
        """Judge what generators drew, by seed, against those of clean tiles.

        Of the same seed they draw counterparts. The probes, which would learn these apart, get
        those of the other seed.
        """
        strangers = list(zip(clean[::-1], made, strict=True))
        distances = [kernel_distance(self._held_out, self._network.embed(each)) for each in made]
        return [
            ", ".join(map(self._marked, made)), *changed(list(zip(made, clean, strict=True))),
            cell([self._probed(*pair) for pair in strangers]),
            cell([give_away(*pair) for pair in strangers]), cell(distances),
        ]  # fmt: skip

    def _marked(self, images: np.ndarray) -> str:
        return f"{100 * self._marks.share(images):.1f}"

    def _probed(self, first: np.ndarray, second: np.ndarray) -> Estimate:
        half = SIDE_PX // 2
        return linear_probe(*(
            self._network.embed(np.ascontiguousarray(each[:, :, half:, half:]))
            for each in (first, second)
        ))  # fmt: skip


def changed(pairs: list[tuple[np.ndarray, np.ndarray]]) -> list[str]:
    """Return by how much detail, and detail across the line, are changed in the corner, in %."""
    logs = np.stack([changes(*pair) for pair in pairs])[..., 1:]
    found = (100 * np.expm1(-logs)).round(1) + 0.0  # without a minus before 0
    elsewhere = np.abs(found[:, 1:]).max((0, 1))
    return [
        f"{', '.join(f'{each:+.1f}' for each in found[:, 0, column])} ({elsewhere[column]:.1f})"
        for column in range(2)
    ]


def cell(found: list[Estimate | None]) -> str:
    """Return the values of the seeds, with the largest standard error."""
    known = [each for each in found if each]
    error = max(each.standard_error for each in known)
    return f"{', '.join(f'{each.value:.2f}' for each in known)} ± {error:.2f}"


def sheet(images: dict[str, np.ndarray], made: dict[str, list[np.ndarray]], path: Path) -> None:
    """Show tiles with a gap, and below them drawn images, for each arm."""
    figure, all_axes = plt.subplots(len(ARMS), 1, figsize=(3.2, 8.4), layout="constrained")
    for arm, axes in zip(ARMS, all_axes, strict=True):
        shown = np.concatenate([images[arm][1::2][:6], made[arm][0][:6]])
        axes.imshow(grid(shown, columns=6).transpose(1, 2, 0), interpolation="nearest")
        axes.set_title(arm, loc="left", fontsize=8)
        axes.axis("off")
    save(figure, path)


PAGE = """# Pixels without data

How should pixels without data be filled, so that generators do not learn to draw them? By
mirroring what lies beside them (`terrabalance/rasters/gaps.py`):

- Left as they are, gaps are drawn: half of the tiles had a black corner, and a third of the
  drawn images.
- Filled with the mean or the nearest sample, tiles can be told from others at once. No drawn
  corner shows it, but with the mean corners lost detail, and with the nearest sample the texture
  was streaked a little all over the image: the sign of *across* turns with the corner.
- Filled by mirroring, tiles could not be told by a probe, though their corners lack some detail.
  In what is drawn, nothing in the corner changed more than at the other corners.
- To leave the mirrored pixels out of the loss as well brought nothing that could be measured, so
  that is not done.

KID does not separate the rows: they differ by less than its standard error allows, and all are far
from real tiles.

## How it was measured

{n_train} tiles of EuroSAT's class {name} (Sentinel-2, {tile_px} px). Every second one loses its
lower right corner beyond a slanted line, {low:.0%} to {high:.0%} of its area, as tiles at the end
of a swath do. A generator ({parameters:,} weights, {side_px} px) is trained on {n_clean:,} other
tiles without gaps, {base_steps:,} steps of {batch} images. From it one is trained on each filling,
{steps} steps without symmetries, so that all gaps lie in one place; from {n_seeds} seeds, each of
which draws {n_drawn} images.

What this does not show: the network is narrower than any preset's, and there is one class and one
size. A larger generator may draw what this one only hints at. The setup and the measures were
chosen on the way, by looking at results. Trained from scratch for 500 steps with gaps on all sides
and all symmetries, the generator hardly drew even black corners; so the gaps were put in one corner
and a base was added. The mark for dark was added when black corners were drawn and not marked, and
the changes of detail when marks and probes separated only the first filling from no gaps.

The tiles with a gap, as they are read:

{tiles}
What is drawn by generators that were trained on them, a number for each seed:

{drawn}
- *marked*: images with a corner that is darker, flatter or more streaked than the rest, more so
  than in all but {rate:.0%} of {n_clean:,} tiles without gaps.
- *detail* in the corner, against that of the rest (mean slope), and *across* the line that cuts it
  off, against that along it: by how much the gaps change it. Each image is compared with its
  counterpart: the tile before it lost its corner, or the image drawn by the generator of clean
  tiles from the same noise. In brackets the largest change at the three other corners, where
  nothing was filled. The last row was trained with other noise than its counterparts.
- *probe*: how well a linear probe tells the tiles from {n_held_out} others without gaps, and the
  drawn images from those of clean tiles from the other seed, by features of the lower right quarter
  ({network}): the area under the curve. *give-away*: the same by the probe of
  `augment.measure.giveaway`. The row "{clean}" is what they make of nothing.
- *KID* to the {n_held_out} tiles; lower is better.

± is the largest standard error of the numbers in a cell. {device}, torch {torch}, Python {python}.
24 minutes of CPU time in all, added up over several sittings on a busy machine:

```sh
python benchmarks/gaps.py EUROSAT efficientnet-lite0.pth WORKDIR docs/benchmarks
```

![Tiles with gaps and drawn images](gaps.png)

For each filling, tiles with a gap as they are read, and below them drawn images of the first seed.
The tiles are EuroSAT's (Helber et al. 2019, MIT licence).
"""


def n_parameters() -> int:
    """Return the number of weights of a generator."""
    return sum(each.numel() for each in build_diffusion(GENERATOR).model.parameters())


def main() -> None:
    """Train and draw what is missing, measure, write the page and the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("eurosat", "weights", "workdir", "out"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    paths = sorted((given.eurosat / CLASS).glob("*.jpg"))
    np.random.default_rng(0).shuffle(paths)
    # 0 is declared as no data, so no data may have it.
    tiles = np.maximum(read_patches(paths[:N_TRAIN], TILE_PX), 1)
    real = read_patches(paths[N_TRAIN:], SIDE_PX)
    images = {arm: read_arm(arm, tiles, given.workdir) for arm in ARMS}
    base = base_of(real[N_HELD_OUT:], given.workdir)
    made = {arm: [drawn(arm, images[arm], seed, base) for seed in SEEDS] for arm in ARMS}
    config = FeatureConfig(model="tf_efficientnet_lite0", weights=given.weights, image_size=96)
    network = pretrained_network(config, CPU)
    judge = Judge(real[:N_HELD_OUT], real[N_HELD_OUT:], network)
    tile_rows = [[arm, *judge.of_tiles(images[arm][1::2], images[CLEAN][1::2])] for arm in ARMS]
    drawn_rows = [[arm, *judge.of_drawn(made[arm], made[CLEAN])] for arm in ARMS]
    sheet(images, made, given.out / "gaps.png")
    header = ["Gaps", "marked, %", "detail, %", "across, %", "probe"]
    write_text(given.out / "gaps.md", PAGE.format(
        n_train=N_TRAIN, name=CLASS, tile_px=TILE_PX, low=SHARES[0], high=SHARES[1],
        side_px=SIDE_PX, parameters=n_parameters(), base_steps=BASE.steps, steps=TRAINING.steps,
        batch=TRAINING.batch_size, n_seeds=len(SEEDS), n_drawn=N_DRAWN,
        tiles=markdown_table(header, tile_rows),
        drawn=markdown_table([*header, "give-away", "KID"], drawn_rows),
        rate=FALSE_RATE, n_clean=len(real) - N_HELD_OUT, n_held_out=N_HELD_OUT, clean=CLEAN,
        network=f"{network.name} at 96 px", device=describe_device(CPU), torch=torch.__version__,
        python=platform.python_version(),
    ))  # fmt: skip


if __name__ == "__main__":
    main()
