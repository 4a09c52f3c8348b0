import csv
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from augment.config import TrainingConfig
from augment.network.card import WEIGHTS, read_card
from augment.network.config import GeneratorConfig
from augment.network.generator import load_generator
from augment.network.layers import LeanBlock
from augment.train.data import TrainingData
from augment.train.learning_rate import learning_rate_at
from augment.train.objective import diffusion_loss
from augment.train.spec import TrainingSpec
from augment.train.stepper import Stepper
from augment.train.training import train_generator
from terrabalance.device import supports_bf16
from terrabalance.errors import BadInput, TrainingDiverged
from terrabalance.files import read_json, sha256_of, write_json
from terrabalance.finished import mark_done
from terrabalance.images import read_patch
from terrabalance.progress import Progress

# Previews draw in `timesteps` calls.
TINY = GeneratorConfig(image_size=16, dim=8, dim_mults=(1, 2), timesteps=5)
SHORT = TrainingConfig(steps=12, batch_size=4, checkpoint_every=4, preview_every=6)


def spec(**training: object) -> TrainingSpec:
    return TrainingSpec("Pond", TINY, SHORT.model_copy(update=training), seed=1)


def train(images: np.ndarray, made: TrainingSpec, folder: Path, *listener: Progress) -> Path:
    return train_generator(TrainingData(images), made, folder, [torch.device("cpu")], *listener)


class Stopped(Exception):
    pass


def stop_at(step: int):
    def listener(done: int, total: int, message: str = "") -> None:
        if done >= step:
            raise Stopped

    return listener


def test_stopped_and_resumed_training_ends_bit_identical(squares, tmp_path, cpu):
    whole = train(squares, spec(), tmp_path / "whole")
    broken = tmp_path / "broken"
    for step in (4, 8):  # twice: the second stop is after a resume
        with pytest.raises(Stopped):
            train(squares, spec(), broken, stop_at(step + 4))
    train(squares, spec(), broken)
    for name in ("generator.safetensors", "losses.csv", "previews/step_0000012.png"):
        assert sha256_of(whole / name) == sha256_of(broken / name), name


def test_resumed_training_is_bit_identical_with_patches_dropout_and_augmentation(
    squares, tmp_path, cpu
):
    torch_draws = TINY.model_copy(update={"patch": 2, "dropout": 0.5})
    loop = SHORT.model_copy(update={"steps": 8, "augment": 0.5, "accumulate": 2})
    spec_ = TrainingSpec("Pond", torch_draws, loop, seed=1)
    whole = train(squares, spec_, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(squares, spec_, tmp_path / "broken", stop_at(8))
    torch.rand(5)  # whatever else drew from the global generator meanwhile
    broken = train(squares, spec_, tmp_path / "broken")
    assert sha256_of(whole / WEIGHTS) == sha256_of(broken / WEIGHTS)


def test_dropout_is_at_work_while_training_and_not_in_what_is_drawn_from(squares, cpu):
    generator = TINY.model_copy(update={"dropout": 0.5})
    stepper = Stepper(
        squares, np.zeros(12, int), TrainingSpec("", generator, SHORT, 0), cpu, "fp32"
    )
    images, times = torch.zeros(1, 3, 16, 16), torch.tensor([5])
    for network, varies in ((stepper.network, True), (stepper.average, False)):
        assert torch.equal(network(images, times), network(images, times)) is not varies


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_generator_draws_in_the_precision_that_it_was_trained_in(
    squares, tmp_path, cpu, precision
):
    train(squares, spec(precision=precision), tmp_path)
    diffusion, seen = load_generator(tmp_path, "Pond", cpu), []
    layer = next(m for m in diffusion.modules() if isinstance(m, LeanBlock))
    layer.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    predicted = diffusion.model(torch.zeros(1, 3, 16, 16), torch.tensor([5]))
    half = precision == "bf16" and supports_bf16(cpu)
    assert seen == [torch.bfloat16 if half else torch.float32]
    assert predicted.dtype == torch.float32


def test_finished_training_is_not_repeated(squares, tmp_path, cpu):
    train(squares, spec(), tmp_path)
    train(squares, spec(), tmp_path, stop_at(0))  # would raise if it ran


def test_training_lowers_the_loss_and_leaves_what_the_report_needs(squares, tmp_path, cpu):
    spec_ = spec(steps=120, learning_rate=2e-3, preview_every=60, checkpoint_every=60)
    train(squares, spec_, tmp_path)
    with (tmp_path / "losses.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert np.mean(losses[-3:]) < 0.6 * losses[0]
    assert read_patch(tmp_path / "previews" / "step_0000060.png", 16).shape == (3, 16, 16)
    assert list((tmp_path / "tensorboard").iterdir())
    assert not list((tmp_path / "checkpoints").glob("*.pt"))
    diffusion, card = load_generator(tmp_path, "Pond", cpu), read_card(tmp_path)
    assert card["images_seen"] == 480 and card["n_images"] == 12
    assert card["peak_memory_bytes"]["host"] > 2**20
    assert not diffusion.training


def test_accumulated_batches_count_as_one_step(squares, tmp_path, cpu):
    train(squares, spec(steps=3, accumulate=2), tmp_path)
    card = read_card(tmp_path)
    assert card["steps"] == 3 and card["images_seen"] == 24


def test_too_few_images_say_what_to_do(squares, tmp_path, cpu):
    with pytest.raises(BadInput, match=r"Pond: 1 images .* --classes"):
        train(squares[:1], spec(), tmp_path)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(squares, tmp_path, cpu):
    with pytest.raises(TrainingDiverged, match="learning_rate"):
        train(squares, spec(steps=40, learning_rate=1e30), tmp_path)
    assert not (tmp_path / "done.json").exists()


def disturb(monkeypatch, factor: float, calls: set[int]) -> None:
    """Multiply the loss of some forward passes, counted from 1."""
    counter = itertools.count(1)

    def disturbed(*arguments):
        return diffusion_loss(*arguments) * (factor if next(counter) in calls else 1.0)

    monkeypatch.setattr("augment.train.stepper.diffusion_loss", disturbed)


@pytest.mark.parametrize("step", [2, 7])  # before the first checkpoint, and after one
def test_one_bad_loss_goes_back_and_on_at_half_the_rate(squares, tmp_path, cpu, monkeypatch, step):
    disturb(monkeypatch, float("nan"), {step})
    folder = train(squares, spec(), tmp_path)
    card = read_card(folder)
    assert card["steps"] == 12 and card["n_rollbacks"] == 1 and math.isfinite(card["final_loss"])
    with (folder / "losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [4, 8, 10, 12]
    back_to = 0 if step == 2 else 4
    for row in rows:
        halved = learning_rate_at(int(row["step"]) - 1, spec().training)
        halved /= 2 if int(row["step"]) > back_to else 1
        assert float(row["learning_rate"]) == pytest.approx(halved, rel=1e-4)


def short_of_memory(monkeypatch, fits: int) -> list[int]:
    """Let forward passes of more than `fits` images fail; return the sizes that were tried."""
    tried: list[int] = []

    def limited(diffusion, images, *arguments):
        tried.append(len(images))
        if len(images) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return diffusion_loss(diffusion, images, *arguments)

    monkeypatch.setattr("augment.train.stepper.diffusion_loss", limited)
    return tried


def test_short_of_memory_the_batch_is_cut_and_the_step_stays_the_same(
    squares, tmp_path, cpu, monkeypatch, caplog
):
    whole = train(squares, spec(steps=3, precision="fp32"), tmp_path / "a")
    tried = short_of_memory(monkeypatch, fits=1)
    cut = train(squares, spec(steps=3, precision="fp32"), tmp_path / "b")
    assert tried[:2] == [4, 2] and tried.count(1) == 3 * 4 and caplog.text.count("out of mem") == 2
    left, right = load_file(whole / WEIGHTS), load_file(cut / WEIGHTS)
    for name, weight in left.items():
        torch.testing.assert_close(weight, right[name], atol=1e-4, rtol=1e-3)


def test_an_image_that_does_not_fit_at_all_says_what_to_do(squares, tmp_path, cpu, monkeypatch):
    short_of_memory(monkeypatch, fits=0)
    with pytest.raises(BadInput, match=r"one image of 16 px does not fit .*generator\.dim"):
        train(squares, spec(), tmp_path)


def test_a_folder_of_another_recipe_is_never_taken_for_this_one(squares, tmp_path, cpu):
    train(squares, spec(steps=3), tmp_path / "whole")
    with pytest.raises(BadInput, match="other images or settings"):
        train(squares, spec(steps=5), tmp_path / "whole")
    with pytest.raises(BadInput, match="other images or settings"):
        train(255 - squares, spec(steps=3), tmp_path / "whole")
    with pytest.raises(Stopped):
        train(squares, spec(), tmp_path / "part", stop_at(8))
    said = "other images or settings, or from a base that has been made anew .* Delete its check"
    with pytest.raises(BadInput, match=said):
        train(squares, spec(learning_rate=0.1), tmp_path / "part")
    train(squares, spec(checkpoint_every=6), tmp_path / "part")  # decides nothing


def test_a_changed_precision_is_refused_instead_of_mixed(squares, tmp_path, cpu):
    with pytest.raises(Stopped):
        train(squares, spec(precision="fp32"), tmp_path, stop_at(8))
    with pytest.raises(BadInput, match="other images or settings"):
        train(squares, spec(precision="bf16"), tmp_path)


@pytest.mark.parametrize("began", ["bf16", "fp32"])
def test_a_training_goes_on_in_the_precision_that_auto_chose_when_it_began(
    squares, tmp_path, cpu, monkeypatch, began
):
    def chooses(precision: str) -> None:
        monkeypatch.setattr("augment.train.loop.precision_on", lambda *_: precision)

    chooses(began)
    with pytest.raises(Stopped):
        train(squares, spec(precision="auto"), tmp_path, stop_at(8))
    chooses({"bf16": "fp32", "fp32": "bf16"}[began])
    assert read_card(train(squares, spec(precision="auto"), tmp_path))["precision"] == began


def test_bf16_training_stays_close_to_fp32(squares, tmp_path, cpu):
    losses = []
    for precision in ("fp32", "bf16"):
        folder = train(squares, spec(precision=precision), tmp_path / precision)
        losses.append(read_card(folder)["final_loss"])
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def test_a_size_the_network_cannot_halve_names_the_nearest():
    with pytest.raises(ValueError, match="nearest sizes that can are 48 and 56"):
        GeneratorConfig(image_size=50, dim_mults=(1, 2, 4, 8))
    with pytest.raises(ValueError, match="nearest sizes that can are 32 and 64"):
        GeneratorConfig(image_size=16, dim_mults=(1, 1, 1, 1, 1, 1))


def test_weights_of_another_network_are_refused_by_name(squares, tmp_path, cpu):
    train(squares, spec(), tmp_path)
    card = read_json(tmp_path / "card.json")
    card["config"]["generator"]["dim"] = 16
    write_json(tmp_path / "card.json", card)
    mark_done(tmp_path, {})
    with pytest.raises(BadInput, match=r"tensor '.*' has shape .* wants"):
        load_generator(tmp_path, "Pond", cpu)
