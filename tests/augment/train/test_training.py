import csv
import itertools
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from augment.config import GeneratorConfig, TrainingConfig
from augment.network.generator import WEIGHTS, build_diffusion, load_generator, read_card
from augment.network.layers import NormedConvolution
from augment.train.batches import BatchSource
from augment.train.divergence import is_healthy
from augment.train.ema import WeightAverage
from augment.train.learning_rate import learning_rate_at
from augment.train.objective import diffusion_loss
from augment.train.spec import Recipe
from augment.train.stepper import Stepper
from augment.train.training import train_generator
from terrabalance.device import supports_bf16
from terrabalance.errors import BadInput, TrainingDiverged
from terrabalance.files import sha256_of
from terrabalance.images import read_patch

TINY = GeneratorConfig(image_size=16, dim=8, dim_mults=(1, 2), timesteps=20)
SHORT = TrainingConfig(steps=12, batch_size=4, checkpoint_every=4, preview_every=6)


def recipe(**training: object) -> Recipe:
    return Recipe("Pond", TINY, SHORT.model_copy(update=training), seed=1)


def source_of(
    images: np.ndarray, batch_size: int, n_symmetries: int, key: tuple, augment: float = 0.5
) -> BatchSource:
    labels = np.arange(len(images)) % 3
    source = (images, labels, batch_size, range(n_symmetries), 10, 0.5, 3, augment, key)
    return BatchSource(*source, torch.device("cpu"))


class Stopped(Exception):
    pass


def stop_at(step: int):
    def listener(done: int, total: int, message: str = "") -> None:
        if done >= step:
            raise Stopped

    return listener


def test_loss_equals_upstreams_p_losses():
    for objective in ("pred_v", "pred_noise", "pred_x0"):
        config = TINY.model_copy(update={"objective": objective, "min_snr": True})
        diffusion = build_diffusion(config)
        images, noise = torch.rand(4, 3, 16, 16) * 2 - 1, torch.randn(4, 3, 16, 16)
        times = torch.tensor([0, 3, 11, 19])
        ours = diffusion_loss(diffusion, images, times, noise, "l2")
        torch.testing.assert_close(ours, diffusion.p_losses(images, times, noise=noise))


def test_l1_is_the_mean_absolute_error_of_the_tutorial():
    diffusion = build_diffusion(TINY.model_copy(update={"objective": "pred_noise"}))
    images, noise = torch.zeros(2, 3, 16, 16), torch.randn(2, 3, 16, 16)
    times = torch.tensor([5, 5])
    predicted = diffusion.model(diffusion.q_sample(images, times, noise), times)
    ours = diffusion_loss(diffusion, images, times, noise, "l1")
    torch.testing.assert_close(ours, (predicted - noise).abs().mean())


def test_every_image_is_seen_once_an_epoch(squares):
    source = source_of(squares, 5, n_symmetries=1, key=(0, "train", "x"))
    drawn = torch.cat([source._indices(i) for i in range(12)])  # 60 draws, five epochs of 12
    for epoch in drawn.split(12):
        assert sorted(epoch.tolist()) == list(range(12))


def test_a_batch_does_not_depend_on_the_batches_before_it(squares):
    def source() -> BatchSource:
        return source_of(squares, 4, n_symmetries=8, key=(0, "train", "x"))

    one, other = source(), source()
    for index in range(3):
        one[index]
    for left, right in zip(one[7], other[7], strict=True):
        assert torch.equal(left, right)


def test_batches_are_scaled_to_minus_one_and_one():
    white = np.full((3, 3, 16, 16), 255, np.uint8)
    images, times, noise, *_ = source_of(white, 4, n_symmetries=8, key=("k",), augment=0.0)[0]
    assert torch.all(images == 1) and images.shape == noise.shape == (4, 3, 16, 16)
    assert times.min() >= 0 and times.max() < 10


def test_average_follows_the_definition():
    network = torch.nn.Linear(2, 1)
    average = WeightAverage(network, decay=0.9)
    start = network.weight.detach().clone()
    with torch.no_grad():
        network.weight += 1
    average.update(network, step=1)  # warm-up decay (1 + 1) / (10 + 1)
    torch.testing.assert_close(average.network.weight, start + (1 - 2 / 11))
    average.update(network, step=10_000)  # 0.9 from here on
    torch.testing.assert_close(average.network.weight, start + 1 - 0.9 * 2 / 11)


def test_stopped_and_resumed_training_ends_bit_identical(squares, tmp_path, cpu):
    whole = train_generator(squares, recipe(), tmp_path / "whole", cpu)
    broken = tmp_path / "broken"
    for step in (4, 8):  # twice: the second stop is after a resume
        with pytest.raises(Stopped):
            train_generator(squares, recipe(), broken, cpu, stop_at(step + 4))
    train_generator(squares, recipe(), broken, cpu)
    for name in ("generator.safetensors", "losses.csv", "previews/step_0000012.png"):
        assert sha256_of(whole / name) == sha256_of(broken / name), name


def test_resumed_training_is_bit_identical_with_dropout_and_augmentation(squares, tmp_path, cpu):
    torch_draws = TINY.model_copy(update={"dropout": 0.5})
    loop = SHORT.model_copy(update={"steps": 8, "augment": 0.5, "accumulate": 2})
    recipe_ = Recipe("Pond", torch_draws, loop, seed=1)
    whole = train_generator(squares, recipe_, tmp_path / "whole", cpu)
    with pytest.raises(Stopped):
        train_generator(squares, recipe_, tmp_path / "broken", cpu, stop_at(8))
    torch.rand(5)  # whatever else drew from the global generator meanwhile
    broken = train_generator(squares, recipe_, tmp_path / "broken", cpu)
    assert sha256_of(whole / WEIGHTS) == sha256_of(broken / WEIGHTS)


def test_dropout_is_at_work_while_training_and_not_in_what_is_drawn_from(squares, cpu):
    generator = TINY.model_copy(update={"dropout": 0.5})
    stepper = Stepper(squares, np.zeros(12, int), Recipe("", generator, SHORT, 0), cpu, "fp32")
    images, times = torch.zeros(1, 3, 16, 16), torch.tensor([5])
    for network, varies in ((stepper.network, True), (stepper.average, False)):
        assert torch.equal(network(images, times), network(images, times)) is not varies


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_generator_draws_in_the_precision_that_it_was_trained_in(
    squares, tmp_path, cpu, precision
):
    train_generator(squares, recipe(precision=precision), tmp_path, cpu)
    diffusion, seen = load_generator(tmp_path, "Pond", cpu), []
    layer = next(m for m in diffusion.modules() if isinstance(m, NormedConvolution))
    layer.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    predicted = diffusion.model(torch.zeros(1, 3, 16, 16), torch.tensor([5]))
    half = precision == "bf16" and supports_bf16(cpu)
    assert seen == [torch.bfloat16 if half else torch.float32]
    assert predicted.dtype == torch.float32


def test_finished_training_is_not_repeated(squares, tmp_path, cpu):
    train_generator(squares, recipe(), tmp_path, cpu)
    train_generator(squares, recipe(), tmp_path, cpu, stop_at(0))  # would raise if it ran


def test_training_lowers_the_loss_and_leaves_what_the_report_needs(squares, tmp_path, cpu):
    recipe_ = recipe(steps=120, learning_rate=2e-3, preview_every=60, checkpoint_every=60)
    train_generator(squares, recipe_, tmp_path, cpu)
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
    train_generator(squares, recipe(steps=3, accumulate=2), tmp_path, cpu)
    card = read_card(tmp_path)
    assert card["steps"] == 3 and card["images_seen"] == 24


def test_too_few_images_say_what_to_do(squares, tmp_path, cpu):
    with pytest.raises(BadInput, match=r"Pond: 1 images .* --classes"):
        train_generator(squares[:1], recipe(), tmp_path, cpu)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(squares, tmp_path, cpu):
    with pytest.raises(TrainingDiverged, match="learning_rate"):
        train_generator(squares, recipe(steps=40, learning_rate=1e30), tmp_path, cpu)
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
    folder = train_generator(squares, recipe(), tmp_path, cpu)
    card = read_card(folder)
    assert card["steps"] == 12 and card["n_rollbacks"] == 1 and math.isfinite(card["final_loss"])
    with (folder / "losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [4, 8, 10, 12]
    back_to = 0 if step == 2 else 4
    for row in rows:
        halved = learning_rate_at(int(row["step"]) - 1, recipe().training)
        halved /= 2 if int(row["step"]) > back_to else 1
        assert float(row["learning_rate"]) == pytest.approx(halved, rel=1e-4)


def test_a_spike_is_not_taken_for_progress():
    calm = [1.0, 1.2] * 10
    assert is_healthy(1.9, 1.0, calm) and is_healthy(1e9, 1.0, calm[:5])
    assert not is_healthy(6.0, 1.0, calm)
    assert not is_healthy(float("nan"), 1.0, calm) and not is_healthy(1.0, float("inf"), calm)


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
    whole = train_generator(squares, recipe(steps=3, precision="fp32"), tmp_path / "a", cpu)
    tried = short_of_memory(monkeypatch, fits=1)
    cut = train_generator(squares, recipe(steps=3, precision="fp32"), tmp_path / "b", cpu)
    assert tried[:2] == [4, 2] and tried.count(1) == 3 * 4 and caplog.text.count("out of mem") == 2
    left, right = load_file(whole / WEIGHTS), load_file(cut / WEIGHTS)
    for name, weight in left.items():
        torch.testing.assert_close(weight, right[name], atol=1e-4, rtol=1e-3)


def test_an_image_that_does_not_fit_at_all_says_what_to_do(squares, tmp_path, cpu, monkeypatch):
    short_of_memory(monkeypatch, fits=0)
    with pytest.raises(BadInput, match=r"one image of 16 px does not fit .*generator\.dim"):
        train_generator(squares, recipe(), tmp_path, cpu)


def test_a_folder_of_another_recipe_is_never_taken_for_this_one(squares, tmp_path, cpu):
    train_generator(squares, recipe(steps=3), tmp_path / "whole", cpu)
    with pytest.raises(BadInput, match="other images or settings"):
        train_generator(squares, recipe(steps=5), tmp_path / "whole", cpu)
    with pytest.raises(BadInput, match="other images or settings"):
        train_generator(255 - squares, recipe(steps=3), tmp_path / "whole", cpu)
    with pytest.raises(Stopped):
        train_generator(squares, recipe(), tmp_path / "part", cpu, stop_at(8))
    with pytest.raises(BadInput, match="other images or settings"):
        train_generator(squares, recipe(learning_rate=0.1), tmp_path / "part", cpu)
    train_generator(squares, recipe(checkpoint_every=6), tmp_path / "part", cpu)  # decides nothing


def test_a_changed_precision_is_refused_instead_of_mixed(squares, tmp_path, cpu):
    with pytest.raises(Stopped):
        train_generator(squares, recipe(precision="fp32"), tmp_path, cpu, stop_at(8))
    with pytest.raises(BadInput, match="other images or settings"):
        train_generator(squares, recipe(precision="bf16"), tmp_path, cpu)


def test_bf16_training_stays_close_to_fp32(squares, tmp_path, cpu):
    losses = []
    for precision in ("fp32", "bf16"):
        folder = train_generator(squares, recipe(precision=precision), tmp_path / precision, cpu)
        losses.append(read_card(folder)["final_loss"])
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def test_a_size_the_network_cannot_halve_names_the_nearest():
    with pytest.raises(ValueError, match="nearest sizes that can are 48 and 56"):
        GeneratorConfig(image_size=50, dim_mults=(1, 2, 4, 8))


def test_weights_of_another_network_are_refused_by_name(squares, tmp_path, cpu):
    train_generator(squares, recipe(), tmp_path, cpu)
    card = tmp_path / "card.json"
    card.write_text(card.read_text().replace('"dim": 8', '"dim": 16'))
    with pytest.raises(BadInput, match=r"tensor '.*' has shape .* wants"):
        load_generator(tmp_path, "Pond", cpu)
