"""Fidelity of a run: each real image is embedded once, however many classes it is compared with."""

from pathlib import Path

import numpy as np
import pytest

from augment.measure.fidelity import measure_class
from augment.scenes import draw_dataset
from classifier.network.views import FeatureCache, Views
from flows.stages.fidelity import MOST_OTHERS, measure_classes
from terrabalance.bands import RGB
from terrabalance.files import sha256_of
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest, even_share, frame_of
from terrabalance.progress import silent
from terrabalance.symmetry import keep_shape

SIDE = 16
CLASSES = ("Forest", "River", "Beach")


class CountingNetwork:
    """Features of plain statistics, and how many images they were asked of."""

    def __init__(self) -> None:
        self.n_embedded = 0

    def __call__(self, levels: np.ndarray) -> np.ndarray:
        self.n_embedded += len(levels)
        pixels = levels.astype(np.float32) / 255
        parts = [pixels.mean((2, 3)), pixels.std((2, 3)), pixels[:, 0, ::5, ::5].reshape(-1, 16)]
        return np.concatenate(parts, axis=1)


def listed(root: Path, folder: Path, source: str, first_val: int) -> list[dict[str, object]]:
    paths = sorted(folder.glob("*.png"))
    return [
        {"path": path.relative_to(root).as_posix(), "class": folder.name, "source": source,
         "split": "val" if index >= first_val else "train", "status": "ok",
         "sha256": sha256_of(path)}
        for index, path in enumerate(paths)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def manifests(tmp_path_factory) -> tuple[Manifest, dict[str, Manifest]]:
    """A catalogue of 24 images a class, and 12 others a class as its synthetic ones."""
    root = tmp_path_factory.mktemp("images")
    real = draw_dataset(root / "real", dict.fromkeys(CLASSES, 24), side_px=SIDE)
    drawn = draw_dataset(root / "made", dict.fromkeys(CLASSES, 12), side_px=SIDE, seed=1)
    rows = [row for name in CLASSES for row in listed(real, real / name, "real", 12)]
    made = {
        name: Manifest(drawn, frame_of(listed(drawn, drawn / name, "synthetic", 99)))
        for name in CLASSES
    }
    return Manifest(real, frame_of(rows)), made


def cache_of(folder: Path, network: CountingNetwork) -> FeatureCache:
    return FeatureCache(folder, "key", lambda: network, SIDE, RGB)


def embedded_anew(catalogue: Manifest, made: dict[str, Manifest], network: CountingNetwork):
    """Measure as before there was a cache: every class embeds all that it is compared with."""

    def features(manifest: Manifest, rows) -> np.ndarray:
        return network(read_patches(manifest.paths(rows), SIDE, RGB))

    train = catalogue.usable("train")
    return {
        name: measure_class(
            features(drawn, drawn.usable()),
            features(catalogue, catalogue.usable("val", name)),
            features(catalogue, catalogue.usable("train", name)),
            features(catalogue, even_share(train[train["class"] != name], MOST_OTHERS)),
        )
        for name, drawn in made.items()
    }


def numbers(found) -> list[float]:
    if isinstance(found, dict):
        return [each for value in found.values() for each in numbers(value)]
    return [float(found)]


def test_each_image_is_embedded_once_and_the_numbers_stay(manifests, tmp_path):
    catalogue, made = manifests
    before, after = CountingNetwork(), CountingNetwork()
    wanted = embedded_anew(catalogue, made, before)
    found = measure_classes(cache_of(tmp_path, after), catalogue, made)
    assert (before.n_embedded, after.n_embedded) == (3 * (12 + 12 + 12 + 24), 72 + 36)
    assert numbers(found) == pytest.approx(numbers(wanted), rel=0.01, abs=2e-3)
    assert list(found) == list(CLASSES)


def test_a_second_report_embeds_nothing(manifests, tmp_path):
    network = CountingNetwork()
    first = measure_classes(cache_of(tmp_path, network), *manifests)
    n_embedded = network.n_embedded
    assert measure_classes(cache_of(tmp_path, network), *manifests) == first
    assert network.n_embedded == n_embedded


def test_features_that_screening_kept_are_not_embedded_again(manifests, tmp_path):
    catalogue, made = manifests
    network = CountingNetwork()
    cache = cache_of(tmp_path, network)
    for split in ("train", "val"):
        cache.of(catalogue, catalogue.usable(split), Views(keep_shape(SIDE, SIDE)), silent)
    network.n_embedded = 0
    found = measure_classes(cache, catalogue, made)
    assert network.n_embedded == 36  # the synthetic images
    alone = measure_classes(cache_of(tmp_path / "other", network), catalogue, made)
    assert numbers(found) == pytest.approx(numbers(alone), rel=1e-6)


def test_no_class_to_measure_gives_no_measures(manifests, tmp_path):
    assert measure_classes(cache_of(tmp_path, CountingNetwork()), manifests[0], {}) == {}
