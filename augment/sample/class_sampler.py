"""Draw the images of a class by their index, filtered to the spectrum of real ones."""

from functools import cached_property
from hashlib import sha256

import numpy as np
from denoising_diffusion_pytorch import GaussianDiffusion

from augment.sample.batch import draw_batch
from augment.sample.request import RealImages, SamplingRequest
from augment.sample.spectrum import SpectrumMap, apply_map, spectrum_map
from augment.sample.starts import mean_colours
from terrabalance.bands import Bands
from terrabalance.files import fingerprint, read_record, write_json
from terrabalance.images import grid, write_png

SPECTRUM = "spectrum.json"  # the filter of the images, see `augment.sample.spectrum`
MEASURED_ON = 64  # first images of the class, on which the filter is measured
_STRIP_FRAMES = 9


class ClassSampler:
    """Draws the images of a class, and matches their spectrum to that of real images.

    The filter is measured on the class's first images, whether they are needed or not, so that an
    image does not depend on how many are drawn. It is kept in `spectrum.json`. The stages of the
    first image are written to `strip.png` when that image is drawn.

    Args:
        diffusion: the generator, in evaluation mode.
        request: what to draw.
        bands: of the images.
        real: real training images; None: images start from pure noise and are not filtered.
    """

    def __init__(
        self,
        diffusion: GaussianDiffusion,
        request: SamplingRequest,
        bands: Bands,
        real: RealImages | None = None,
    ) -> None:
        self._diffusion, self._request, self._bands = diffusion, request, bands
        self._real, self._own = real, real.own() if real else None
        self._measured_on: np.ndarray | None = None

    def images(self, block: range) -> np.ndarray:
        """Return the images of a block of indices, (len(block), C, H, W) levels."""
        if self._own is None or not self._request.config.match_spectrum:
            return self._draw(block)
        parts = []
        if block.start < MEASURED_ON:
            parts.append(self._first()[block.start : block.stop])
        if block.stop > MEASURED_ON:
            parts.append(self._draw(range(max(block.start, MEASURED_ON), block.stop)))
        return apply_map(np.concatenate(parts), self._map, self._seeds(block))

    def _seeds(self, block: range) -> list[int]:
        return [self._request.seed_of(index) for index in block]

    def _draw(self, block: range) -> np.ndarray:
        """Draw a block of images without the filter."""
        config = self._request.config
        images, strip = draw_batch(
            self._diffusion,
            self._seeds(block),
            config,
            self._request.device,
            self._bands.level_type,
            frames=_STRIP_FRAMES if block.start == 0 else 0,
            starts=self._own if config.starts_from_real else None,
            colours=self._colours,
        )
        if len(strip):
            frames = grid(self._bands.preview(strip), columns=_STRIP_FRAMES)
            write_png(self._request.folder / "strip.png", frames)
        return images

    @cached_property
    def _colours(self) -> np.ndarray | None:
        if self._own is None or self._request.config.colours == "noise":
            return None
        return mean_colours(self._own)

    def _first(self) -> np.ndarray:
        """Return the images that the filter is measured on, unfiltered."""
        if self._measured_on is None:
            at_once = min(self._request.config.batch_size, MEASURED_ON)
            firsts = range(0, MEASURED_ON, at_once)
            blocks = [range(first, min(first + at_once, MEASURED_ON)) for first in firsts]
            self._measured_on = np.concatenate([self._draw(block) for block in blocks])
        return self._measured_on

    @cached_property
    def _map(self) -> SpectrumMap:
        """The filter, read from `spectrum.json` where that is of the same inputs."""
        assert self._real is not None and self._own is not None
        request, path = self._request, self._request.folder / SPECTRUM
        settings = request.config.key({"batch_size"})
        content = sha256(self._own.tobytes()).hexdigest()
        inputs = fingerprint(request.generator.name, settings, request.seed_of(0), content)
        kept = read_record(path) if path.is_file() else {}
        if kept.get("inputs") != inputs:
            others = self._real.others() if self._real.others else ()
            found = spectrum_map(self._own, self._first(), others)
            kept = {"inputs": inputs, **found.record()}
            write_json(path, kept)
        return SpectrumMap.of(kept)
