import numpy as np
import torch

from classifier.network.views import FeatureCache, Views
from terrabalance.bands import RGB
from terrabalance.manifest import Manifest
from terrabalance.progress import silent


def embed(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)[:, :5].astype(np.float32)


def test_what_is_kept_is_what_was_computed_in_the_order_of_the_rows(squares: Manifest, tmp_path):
    cache = FeatureCache(tmp_path, "key", lambda: embed, 32, RGB)
    rows = squares.usable("train")
    assert cache.kept(rows, Views()) is None
    computed = cache.of(squares, rows, Views(), silent)
    kept = cache.kept(rows, Views())
    assert kept is not None and torch.equal(kept, computed) and kept.dtype == torch.float16
    mixed = rows.iloc[::-1]
    assert torch.equal(cache.of(squares, mixed, Views(), silent), computed.flip(0))


def test_nothing_is_kept_where_a_part_is_missing_or_other_views_are_asked_for(
    squares: Manifest, tmp_path
):
    cache = FeatureCache(tmp_path, "key", lambda: embed, 32, RGB)
    rows = squares.usable("train")
    cache.of(squares, rows, Views(), silent)
    assert cache.kept(rows, Views((0, 3))) is None
    next(iter(tmp_path.glob("*.safetensors"))).unlink()
    assert cache.kept(rows, Views()) is None


def test_what_a_killed_writer_left_goes_with_the_next_writing(squares: Manifest, tmp_path):
    cache = FeatureCache(tmp_path, "key", lambda: embed, 32, RGB)
    rows = squares.usable("train")
    cache.of(squares, rows, Views(), silent)
    lost = next(iter(tmp_path.glob("*.safetensors")))
    lost.rename(tmp_path / f".{lost.name}.0123456789ab.part")  # killed before the rename
    cache.of(squares, rows, Views(), silent)
    assert lost.is_file() and not list(tmp_path.glob(".*.part"))
