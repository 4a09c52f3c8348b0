import torch

from terrabalance.symmetry import apply_symmetry, random_symmetries


def test_each_image_is_turned_as_it_was_drawn():
    images = torch.arange(24 * 2 * 9).reshape(24, 2, 3, 3)
    for among in (range(8), (0, 1, 2, 3), (0, 4), (0,)):
        turned = random_symmetries(images, torch.Generator().manual_seed(5), among)
        draws = torch.randint(len(among), (24,), generator=torch.Generator().manual_seed(5))
        for image, place, result in zip(images, draws.tolist(), turned, strict=True):
            assert torch.equal(result, apply_symmetry(image, among[place]))


def test_bytes_stay_bytes_and_the_original_stays_as_it_was():
    images = torch.randint(256, (6, 3, 4, 4), dtype=torch.uint8)
    before = images.clone()
    assert random_symmetries(images, torch.Generator().manual_seed(0)).dtype == torch.uint8
    assert torch.equal(images, before)
