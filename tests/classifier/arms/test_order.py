import torch

from classifier.arms.order import batch_indices


def test_every_epoch_shows_every_image_once():
    batches = torch.cat([batch_indices(step, 10, 4, seed=0) for step in range(5)])
    assert sorted(batches[:10].tolist()) == sorted(batches[10:].tolist()) == list(range(10))
    assert batches[:10].tolist() != batches[10:].tolist()


def test_a_batch_may_be_larger_than_the_dataset():
    assert sorted(batch_indices(0, 3, 6, seed=1).tolist()) == [0, 0, 1, 1, 2, 2]
