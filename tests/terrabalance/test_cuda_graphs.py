import pytest
import torch
import torch.nn.functional as F
from torch import nn

from terrabalance.cuda_graphs import RecordedGradients, Replay, Replayed

CUDA = torch.device("cuda")

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_on_a_cpu_work_runs_as_it_is():
    replay = Replay(lambda left, right: left + right, torch.device("cpu"))
    assert [replay(torch.ones(2), torch.full((2,), n)).tolist() for n in range(3)] == [
        [1, 1], [2, 2], [3, 3]
    ]  # fmt: skip


class Counting(RecordedGradients):
    """Counts what a GPU would record, on a CPU."""

    def __init__(self) -> None:
        super().__init__(lambda values: values * 1, torch.device("cpu"))
        self.is_on, self.n_recordings = True, 0

    def _record(self, inputs: tuple[torch.Tensor, ...]) -> None:
        self.n_recordings += 1


def test_nothing_is_recorded_before_the_first_step_has_ended():
    gradients, counts = Counting(), []
    for step in range(5):
        gradients.begin_step()
        for _ in range(2):
            gradients(torch.ones(2))
        counts.append(gradients.n_recordings)
        if step == 2:
            gradients.forget()
    assert counts == [0, 2, 4, 4, 6]


def test_gradients_stay_in_place_as_long_as_work_is_recorded():
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer, gradients = torch.optim.SGD([weight]), Counting()
    weight.sum().backward()
    gradients.clear(optimizer.zero_grad)
    assert weight.grad is not None and weight.grad.tolist() == [0, 0]
    gradients.restart()  # no GPU here
    gradients.clear(optimizer.zero_grad)
    assert weight.grad is None


@pytest.mark.gpu
@on_gpu
def test_recorded_work_adds_the_gradients_that_work_as_ever_adds():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Dropout(0.5), nn.Conv2d(8, 1, 3)).cuda()
    images = torch.randn(5, 4, 3, 16, 16, device="cuda")

    def work(batch: torch.Tensor) -> torch.Tensor:
        loss = network(batch).square().mean()
        loss.backward()
        return loss.detach()

    found = []
    replay = Replay(work, CUDA)
    for does in (work, replay):
        network.zero_grad()
        torch.manual_seed(1)
        losses = [does(batch).item() for batch in images]
        found.append((losses, [each.grad.clone() for each in network.parameters()]))
    torch.testing.assert_close(found[1], found[0])
    assert replay.is_on and all(replay._records.values())


@pytest.mark.gpu
@on_gpu
def test_a_recorded_network_predicts_for_batches_of_any_size():
    network = nn.Conv2d(1, 1, 3).cuda().requires_grad_(False)
    replayed = Replayed(lambda images, times: network(images) + times[:, None, None, None], CUDA)
    with torch.inference_mode():
        for size in (4, 2, 4, 2, 4, 2):
            images, times = torch.randn(size, 1, 8, 8).cuda(), torch.arange(size).cuda()
            wanted = network(images) + times[:, None, None, None]
            torch.testing.assert_close(replayed(images, times), wanted)


@pytest.mark.gpu
@on_gpu
def test_work_that_cannot_be_recorded_goes_on_as_ever(caplog):
    if torch.__version__ < "2.13":
        pytest.skip("torch before 2.13 does not clean up after a failed recording")
    replay = Replay(lambda values: F.dropout(values * values.sum().item(), 0.0), CUDA)
    ones = torch.ones(3, device="cuda")
    assert [replay(ones).tolist() for _ in range(3)] == [[3, 3, 3]] * 3
    torch.cuda.empty_cache()
    assert torch.rand(3, device="cuda").max() < 1
    assert not replay.is_on and "without CUDA graphs" in caplog.text
