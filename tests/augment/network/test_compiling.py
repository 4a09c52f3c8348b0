from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch._dynamo.testing import CompileCounterWithBackend

from augment.config import GeneratorConfig, TrainingConfig
from augment.network.compiling import _options, compile_network
from augment.network.generator import WEIGHTS
from augment.train.spec import Recipe
from augment.train.training import train_generator
from terrabalance.files import sha256_of

TINY = GeneratorConfig(image_size=8, dim=8, dim_mults=(1,), timesteps=20)
CLASSES = ("Beach", "Forest", "Pond")


def recipe(**training: object) -> Recipe:
    loop = TrainingConfig(
        steps=4, batch_size=4, checkpoint_every=2, preview_every=4, precision="fp32"
    )
    return Recipe("", TINY, loop.model_copy(update=training), seed=1, classes=CLASSES)


@pytest.fixture
def images(squares) -> np.ndarray:
    return squares[..., 4:12, 4:12].copy()


def train(images, folder, cpu, **training):
    labels = np.arange(len(images)) % 3
    return train_generator(images, recipe(**training), folder, cpu, labels=labels)


def compile_with(monkeypatch, backend) -> None:
    """Let Dynamo trace as it does, but leave out the C++ compiler, which takes a minute."""
    monkeypatch.setattr(
        "augment.train.stepper.compile_network", partial(compile_network, backend=backend)
    )


def test_a_compiled_training_is_traced_once_and_stays_near_the_uncompiled(
    images, tmp_path, cpu, monkeypatch
):
    counter = CompileCounterWithBackend("aot_eager")
    compile_with(monkeypatch, counter)
    compiled = train(images, tmp_path / "on", cpu, compile=True)
    assert counter.frame_count == 1  # not again for other labels, nor after the preview
    plain = load_file(train(images, tmp_path / "off", cpu, compile=False) / WEIGHTS)
    weights = load_file(compiled / WEIGHTS)
    assert weights.keys() == plain.keys()
    for name, weight in plain.items():
        torch.testing.assert_close(weights[name], weight, atol=1e-4, rtol=1e-3)


def test_where_compiling_fails_the_training_goes_on_without(
    images, tmp_path, cpu, monkeypatch, caplog
):
    def no_compiler(*_: object) -> None:
        raise RuntimeError("no C compiler found")

    compile_with(monkeypatch, no_compiler)
    failed = train(images, tmp_path / "on", cpu, compile=True)
    assert caplog.text.count("going on uncompiled") == 1 and "no C compiler" in caplog.text
    plain = train(images, tmp_path / "off", cpu, compile=False)
    assert sha256_of(failed / WEIGHTS) == sha256_of(plain / WEIGHTS)


def test_where_what_was_compiled_fails_the_training_goes_on_without(
    images, tmp_path, cpu, monkeypatch, caplog
):
    def compiled(graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        def run(*_: object) -> object:
            raise RuntimeError("CompiledFunctionBackward returned an invalid gradient")

        return run

    compile_with(monkeypatch, compiled)
    failed = train(images, tmp_path / "on", cpu, compile=True)
    assert caplog.text.count("going on uncompiled") == 1 and "invalid gradient" in caplog.text
    plain = train(images, tmp_path / "off", cpu, compile=False)
    assert sha256_of(failed / WEIGHTS) == sha256_of(plain / WEIGHTS)


def test_inductor_is_told_only_what_it_knows():
    known = set(torch._inductor.list_options())
    assert set(_options()) == {"triton.mix_order_reduction"} & known


def test_what_was_begun_uncompiled_may_go_on_compiled(images, tmp_path, cpu, monkeypatch):
    class Stopped(Exception):
        pass

    def stop(done: int, *_: object) -> None:
        if done == 2:
            raise Stopped

    labels = np.arange(len(images)) % 3
    loop = {"steps": 4, "checkpoint_every": 1, "preview_every": 4}
    with pytest.raises(Stopped):
        train_generator(images, recipe(**loop, compile=False), tmp_path, cpu, stop, labels)
    compile_with(monkeypatch, "eager")
    train(images, tmp_path, cpu, **loop, compile=True)
    assert (tmp_path / "done.json").exists()
