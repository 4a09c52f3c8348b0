import numpy as np
import pandas as pd
import pytest
import torch

from classifier.images.paste import Peers, pasted, pasted_at_random, pasted_by_name
from classifier.network.views import FeatureCache, Views
from terrabalance.bands import RGB
from terrabalance.manifest import Manifest
from terrabalance.progress import silent


def plain_images(*levels: int, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    """Return images of one level each, (N, 3, 20, 30)."""
    return torch.tensor(levels)[:, None, None, None].expand(-1, 3, 20, 30).to(dtype)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_a_square_of_three_fifths_stays_where_it_was_and_the_rest_is_another_image(dtype):
    images, around = plain_images(10, 20, dtype=dtype), plain_images(30, 40, dtype=dtype)
    found = pasted(images, around, torch.tensor([[0.0, 0.0], [1.0, 1.0]])).int()
    assert (found[0, :, :12, :18] == 10).all() and (found[0] == 10).sum() == 3 * 12 * 18
    assert (found[1, :, 8:, 12:] == 20).all() and (found[1] == 20).sum() == 3 * 12 * 18
    assert set(found[0].unique().tolist()) == {10, 30}


def test_images_are_pasted_onto_others_of_their_group_alone_and_half_of_them_not_at_all():
    levels = torch.arange(40)
    groups = levels % 3
    chosen = torch.arange(40).repeat(5)
    draws = torch.Generator().manual_seed(0)
    images = plain_images(*levels)
    found = pasted_at_random(images[chosen], images, Peers(groups), chosen, draws)
    inside = [set(image.unique().tolist()) for image in found]
    assert all(own.item() in seen for own, seen in zip(chosen, inside, strict=True))
    assert all({level % 3 for level in seen} == {int(own) % 3}
               for own, seen in zip(chosen, inside, strict=True))  # fmt: skip
    assert 60 < sum(len(seen) == 2 for seen in inside) < 140


def test_no_image_is_pasted_onto_itself_unless_it_is_alone():
    levels = torch.arange(41)
    chosen = levels.repeat(20)
    draws = torch.Generator().manual_seed(0)
    images = plain_images(*levels)
    found = pasted_at_random(images[chosen], images, Peers(levels // 2), chosen, draws)
    two = torch.tensor([len(image.unique()) == 2 for image in found])
    assert 0.45 < two[chosen < 40].float().mean() < 0.55  # a quarter, if half were their own
    assert not two[chosen == 40].any()
    images = plain_images(3, 7, 9)
    for view in range(20):
        inside = pasted_by_name(images, ["a", "b", "c"], view)
        assert [len(each.unique()) for each in inside] == [2, 2, 2]
    assert torch.equal(pasted_by_name(images[:1], ["a"], 0), images[:1])


def test_what_a_view_is_pasted_onto_depends_on_its_name_alone():
    images = torch.randint(256, (3, 3, 8, 8), dtype=torch.uint8)
    first = pasted_by_name(images, ["a", "b", "c"], 0)
    assert torch.equal(first, pasted_by_name(images, ["a", "b", "c"], 0))
    assert not torch.equal(first, pasted_by_name(images, ["a", "b", "c"], 1))


def test_features_of_pasted_views_follow_those_of_the_plain_ones(squares: Manifest, tmp_path):
    def embed(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1)[:, :5].astype(np.float32)

    cache = FeatureCache(tmp_path, "key", lambda: embed, 32, RGB)
    rows: pd.DataFrame = squares.usable("train")
    plain = cache.of(squares, rows, Views((0, 3)), silent)
    both = cache.of(squares, rows, Views((0, 3), pastes=True), silent)
    assert plain.shape == (len(rows), 2, 5) and both.shape == (len(rows), 4, 5)
    assert torch.equal(both[:, :2], plain) and not torch.equal(both[:, 2:], plain)
