import numpy as np
import pytest
import torch

from augment.train.batches import BatchSource, BatchSpec, n_in_an_epoch

CPU = torch.device("cpu")
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def source_of(
    images: np.ndarray,
    batch_size: int = 4,
    n_symmetries: int = 8,
    augment: float = 0.5,
    device: torch.device = CPU,
) -> BatchSource:
    key, symmetries = (0, "train", "x"), tuple(range(n_symmetries))
    spec = BatchSpec(key, batch_size, 10, symmetries, augment, label_dropout=0.5, any_class=3)
    return BatchSource(images, np.arange(len(images)) % 3, spec, device)


def test_every_image_is_seen_once_an_epoch(squares):
    source = source_of(squares, 5, n_symmetries=1)
    drawn = torch.cat([source._indices(i) for i in range(12)])  # 60 draws, five epochs of 12
    for epoch in drawn.split(12):
        assert sorted(epoch.tolist()) == list(range(12))


@pytest.mark.parametrize(("n_unlabelled", "n_drawn"), [(3, 3), (9, 3)])
def test_unlabelled_images_are_drawn_as_often_as_others_and_are_at_most_half(
    squares, n_unlabelled, n_drawn
):
    n_labelled = 12 - n_unlabelled
    spec = BatchSpec((0, "train", ""), 5, 10, n_unlabelled=n_unlabelled)
    source = BatchSource(squares, np.zeros(12, np.int64), spec, CPU)
    n_all = n_in_an_epoch(n_labelled, n_unlabelled)
    assert n_all == n_labelled + n_drawn
    drawn = torch.cat([source._indices(i) for i in range(n_all)])  # five epochs
    for epoch in drawn.split(n_all):
        assert sorted(i for i in epoch.tolist() if i < n_labelled) == list(range(n_labelled))
    others = drawn[drawn >= n_labelled]
    assert len(others) == 5 * n_drawn
    for epoch in others.split(n_unlabelled)[:-1]:
        assert sorted(epoch.tolist()) == list(range(n_labelled, 12))
    assert (n_in_an_epoch(7, 0), n_in_an_epoch(0, 7)) == (7, 7)


def test_a_batch_does_not_depend_on_the_batches_before_it(squares):
    one, other = source_of(squares), source_of(squares)
    for index in range(3):
        one[index]
    for left, right in zip(one[7], other[7], strict=True):
        assert torch.equal(left, right)


def test_batches_are_scaled_to_minus_one_and_one():
    white = np.full((3, 3, 16, 16), 255, np.uint8)
    images, times, noise, *_ = source_of(white, augment=0.0)[0]
    assert torch.all(images == 1) and images.shape == noise.shape == (4, 3, 16, 16)
    assert times.min() >= 0 and times.max() < 10


@pytest.mark.gpu
@on_gpu
def test_batches_are_the_same_whether_the_images_lie_on_the_gpu_or_not(squares, monkeypatch):
    gpu = torch.device("cuda")
    there = source_of(squares, 5, device=gpu)
    monkeypatch.setattr("augment.train.batches.has_room_for_data", lambda *_: False)
    for left, right in zip(there[3], source_of(squares, 5, device=gpu)[3], strict=True):
        assert left.device.type == "cuda" and torch.equal(left, right)


@pytest.mark.gpu
@on_gpu
def test_a_gpu_gets_the_images_that_the_cpu_gets(squares):
    ours, theirs = source_of(squares, 5)[3], source_of(squares, 5, device=torch.device("cuda"))[3]
    # Moved by whole pixels and zoomed, which the two round differently.
    torch.testing.assert_close(theirs.images.cpu(), ours.images, atol=1e-4, rtol=0)
    assert torch.equal(theirs.times.cpu(), ours.times)
