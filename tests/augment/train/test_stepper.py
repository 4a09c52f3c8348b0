import gc
import weakref

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from augment.config import TrainingConfig
from augment.network.card import read_card
from augment.network.config import GeneratorConfig
from augment.train.data import TrainingData
from augment.train.spec import TrainingSpec
from augment.train.stepper import Stepper
from augment.train.training import train_generator

TINY = GeneratorConfig(image_size=16, dim=8, dim_mults=(1, 2), timesteps=20)
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def stepper_of(
    squares: np.ndarray, device: torch.device, dropout: float = 0.0, **training: object
) -> Stepper:
    loop = TrainingConfig(steps=12, batch_size=4, **training)
    labels, network = np.arange(len(squares)) % 3, TINY.model_copy(update={"dropout": dropout})
    return Stepper(squares, labels, TrainingSpec("Pond", network, loop, seed=1), device, "fp32")


class NoQuestions(TorchDispatchMode):
    """Refuses each operation whose result depends on what a tensor holds: a GPU's host waits."""

    QUESTIONS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run `func` unless it asks."""
        masks = [x for x in args[1] if x is not None] if func._opname.startswith("index") else []
        if func._opname in self.QUESTIONS or any(x.dtype == torch.bool for x in masks):
            raise AssertionError(f"{func} asks what a tensor holds")
        return func(*args, **(kwargs or {}))


def test_a_step_never_asks_what_the_tensors_hold(squares, cpu):
    stepper = stepper_of(squares, cpu, accumulate=2)
    stepper.advance()
    with NoQuestions():
        loss, norm = stepper.advance()
    assert loss.shape == norm.shape == () and stepper.step == 2


@pytest.mark.parametrize("ask", [lambda x: x.sum().item(), lambda x: x[x > 1], torch.nonzero, bool])
def test_questions_are_noticed(ask):
    with NoQuestions(), pytest.raises(AssertionError, match="asks what"):
        ask(torch.tensor(2.0) if ask is bool else torch.arange(4.0))


@pytest.mark.gpu
@on_gpu
def test_training_runs_on_the_gpu(squares, tmp_path):
    loop = TrainingConfig(steps=12, batch_size=4)
    spec = TrainingSpec("Pond", TINY, loop, seed=1)
    card = read_card(train_generator(TrainingData(squares), spec, tmp_path, [torch.device("cuda")]))
    assert card["device"] == "cuda" and card["peak_memory_bytes"]["cuda"] > 0


@pytest.mark.gpu
@on_gpu
def test_a_step_never_waits_for_the_gpu(squares):
    stepper = stepper_of(squares, torch.device("cuda"))
    for _ in range(2):  # these may: cuDNN is set up, the step is recorded
        stepper.advance()
    torch.cuda.set_sync_debug_mode("error")
    try:
        stepper.advance()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert stepper.gradients.is_on


@pytest.mark.gpu
@on_gpu
def test_recorded_steps_are_the_steps_that_are_taken_without(squares):
    ends = []
    for records in (True, False):
        stepper = stepper_of(squares, torch.device("cuda"), accumulate=2, dropout=0.5)
        stepper.micro_batch = 3  # of 4, so that parts are uneven
        stepper.gradients.is_on = records
        losses = [float(stepper.advance()[0]) for _ in range(6)]
        assert stepper.gradients.is_on == records
        ends.append((losses, [each.detach() for each in stepper.network.parameters()]))
    torch.testing.assert_close(*ends, rtol=1e-4, atol=1e-5)  # some kernels add in any order


def test_a_finished_training_gives_its_memory_back_at_once(squares, cpu):
    stepper = stepper_of(squares, cpu)
    stepper.advance()
    gone = weakref.ref(stepper.network)
    gc.disable()
    try:
        del stepper
        assert gone() is None
    finally:
        gc.enable()
