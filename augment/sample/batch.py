"""Draw images as arrays: seeded each, with the spectrum of real ones."""

from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from denoising_diffusion_pytorch import GaussianDiffusion
from torch import Tensor

from augment.config import SamplingConfig
from augment.sample.samplers import trajectory
from augment.sample.spectrum import SpectrumMap, apply_map, spectrum_map
from terrabalance.bands import Bands
from terrabalance.files import fingerprint, read_json, write_json
from terrabalance.images import grid, write_png
from terrabalance.levels import centred, to_levels
from terrabalance.symmetry import apply_symmetry, keep_shape

SPECTRUM = "spectrum.json"  # the filter that the images went through, see `augment.sample.spectrum`
MEASURED_ON = 64  # drawn images by which the filter is set
_STRIP_FRAMES = 9
_BORDER_PX = 4.0  # from kept to drawn


def draw_batch(
    diffusion: GaussianDiffusion,
    seeds: Sequence[int],
    config: SamplingConfig,
    device: torch.device,
    level_type: np.dtype | type = np.uint8,
    frames: int = 0,
    starts: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image per seed.

    Every image has its own random generator, so an image does not depend on its neighbours in
    the batch (beyond float rounding where another batch size chooses another kernel).

    Args:
        diffusion: the model.
        seeds: one for each image.
        config: solver, calls, and with `starts` the strength.
        device: to draw on.
        level_type: of the images.
        frames: stages of the first image that are returned.
        starts: (N, C, H, W) levels of real images, one of which each image begins as, turned at
            random, and a part of which it keeps with `config.keep`; None: all begin as pure noise.

    Returns:
        (B, C, H, W) images as levels (`terrabalance.bands`), and (frames, C, H, W) stages of the
        first image from noise to image (empty for `frames=0`).
    """
    side = diffusion.image_size
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]

    def noise() -> Tensor:
        each = [torch.randn((diffusion.channels, *side), generator=draw) for draw in draws]
        return torch.stack(each).to(device)

    start = None if starts is None else real_starts(torch.from_numpy(starts), draws).to(device)
    keeps = starts is not None and config.keep
    kept = kept_parts(config.keep, side, draws).to(device) if keeps else None
    n_calls = diffusion.num_timesteps if config.sampler == "ancestral" else config.steps
    n_calls = n_calls if start is None else max(1, round(config.strength * n_calls))
    shown = np.linspace(0, n_calls, frames).round().astype(int).tolist()
    stages: list[Tensor] = []
    with torch.inference_mode():
        for call, images in enumerate(trajectory(diffusion, noise, config, start, kept)):
            # A copy: a view would keep the whole batch of every call in memory.
            stages += [images[:1].clone()] * shown.count(call)
    strip = torch.cat(stages) if frames else images[:0]
    return to_levels(images, level_type), to_levels(strip, level_type)


def real_starts(starts: Tensor, draws: Sequence[torch.Generator]) -> Tensor:
    """Choose a real image, turned at random, for each image to begin as.

    Args:
        starts: (N, C, H, W) levels of real images.
        draws: one generator for each image.

    Returns:
        (len(draws), C, H, W) in [-1, 1].
    """
    among = keep_shape(*starts.shape[-2:])
    chosen = []
    for draw in draws:
        image, which = (
            int(torch.randint(n, (1,), generator=draw)) for n in (len(starts), len(among))
        )
        chosen.append(apply_symmetry(starts[image], among[which]))
    return centred(torch.stack(chosen))


def kept_parts(share: float, sides: tuple[int, int], draws: Sequence[torch.Generator]) -> Tensor:
    """Choose where each image keeps its start: a square with soft borders.

    Args:
        share: of the sides, that it takes.
        sides: height and width, px.
        draws: one generator for each image.

    Returns:
        (len(draws), 1, height, width) in [0, 1]; 1 is kept.
    """
    masks = []
    for draw in draws:
        axes = []
        for side in sides:
            length = share * side
            first = float(torch.rand((), generator=draw)) * (side - length)
            inside = torch.arange(side) + 0.5 - first
            axes.append((torch.minimum(inside, length - inside) / _BORDER_PX + 0.5).clamp(0, 1))
        masks.append(axes[0][:, None] * axes[1])
    return torch.stack(masks)[:, None]


class Drawer:
    """Draws images by their index, and gives them the spectrum of real ones.

    The filter is measured on the class's first images, whether they are needed or not, so that an
    image does not depend on how many are drawn. The strip of the first image's stages is written
    when that is drawn.

    Args:
        diffusion: the model.
        seed_of: gives the seed of an image.
        config: how to draw.
        device: to draw on.
        bands: of the images.
        folder: gets `strip.png` and `spectrum.json`.
        reals: (N, C, H, W) levels of real training images of the class, see
            `augment.sample.sampling.sample_class`.
        generator: name of the model.
        others: gives those of each other class, and is asked only where the filter is measured.
    """

    def __init__(
        self,
        diffusion: GaussianDiffusion,
        seed_of: Callable[[int], int],
        config: SamplingConfig,
        device: torch.device,
        bands: Bands,
        folder: Path,
        reals: np.ndarray | None,
        generator: str,
        others: Callable[[], Sequence[np.ndarray]] | None = None,
    ) -> None:
        self._diffusion, self._seed_of, self._config = diffusion, seed_of, config
        self._device, self._bands, self._folder, self._reals = device, bands, folder, reals
        self._generator, self._others = generator, others
        self._matches = config.match_spectrum and reals is not None
        self._measured_on: np.ndarray | None = None

    def images(self, block: range) -> np.ndarray:
        """Return (len(block), C, H, W) levels."""
        if not self._matches:
            return self._draw(block)
        parts = []
        if block.start < MEASURED_ON:
            parts.append(self._first()[block.start : block.stop])
        if block.stop > MEASURED_ON:
            parts.append(self._draw(range(max(block.start, MEASURED_ON), block.stop)))
        seeds = [self._seed_of(i) for i in block]
        return apply_map(np.concatenate(parts), self._map, seeds)

    def _draw(self, block: range) -> np.ndarray:
        images, strip = draw_batch(
            self._diffusion, [self._seed_of(i) for i in block], self._config, self._device,
            self._bands.level_type, frames=_STRIP_FRAMES if block.start == 0 else 0,
            starts=self._reals if self._config.begins_as_real else None,
        )  # fmt: skip
        if len(strip):
            frames = grid(self._bands.preview(strip), columns=_STRIP_FRAMES)
            write_png(self._folder / "strip.png", frames)
        return images

    def _first(self) -> np.ndarray:
        if self._measured_on is None:
            at_once = min(self._config.batch_size, MEASURED_ON)
            firsts = range(0, MEASURED_ON, at_once)
            blocks = [range(first, min(first + at_once, MEASURED_ON)) for first in firsts]
            self._measured_on = np.concatenate([self._draw(block) for block in blocks])
        return self._measured_on

    @cached_property
    def _map(self) -> SpectrumMap:
        assert self._reals is not None
        path = self._folder / SPECTRUM
        settings = self._config.key({"batch_size"})
        inputs = fingerprint(
            self._generator, settings, self._seed_of(0), sha256(self._reals.tobytes()).hexdigest()
        )
        kept = read_json(path) if path.is_file() else {}
        if kept.get("inputs") != inputs:
            others = self._others() if self._others else ()
            found = spectrum_map(self._reals, self._first(), others)
            kept = {"inputs": inputs, **found.record()}
            write_json(path, kept)
        return SpectrumMap.of(kept)
