import pytest
import torch
from torch import nn

from terrabalance.replay import Replay

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_on_a_cpu_work_runs_as_it_is():
    replay = Replay(lambda left, right: left + right, torch.device("cpu"))
    assert [replay(torch.ones(2), torch.full((2,), n)).tolist() for n in range(3)] == [
        [1, 1], [2, 2], [3, 3]
    ]  # fmt: skip


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
    for does in (work, Replay(work, torch.device("cuda"))):
        network.zero_grad()
        torch.manual_seed(1)
        losses = [does(batch).item() for batch in images]
        found.append((losses, [each.grad.clone() for each in network.parameters()]))
    torch.testing.assert_close(found[1], found[0])


@pytest.mark.gpu
@on_gpu
def test_work_that_cannot_be_recorded_goes_on_as_ever(caplog):
    replay = Replay(lambda values: values * values.sum().item(), torch.device("cuda"))
    ones = torch.ones(3, device="cuda")
    assert [replay(ones).tolist() for _ in range(3)] == [[3, 3, 3]] * 3
    assert not replay.is_on and "without CUDA graphs" in caplog.text
