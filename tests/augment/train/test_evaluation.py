import csv
import math

import numpy as np
import pytest
import torch

from augment.config import GeneratorConfig, TrainingConfig
from augment.network.generator import build_diffusion, read_card
from augment.train.evaluation import HeldOut, Look, Witness, choose, is_memorizing
from augment.train.spec import Recipe
from augment.train.training import train_generator
from terrabalance.errors import BadInput
from terrabalance.files import sha256_of

TINY = GeneratorConfig(image_size=16, dim=16, dim_mults=(1, 2), timesteps=20)
LOOP = TrainingConfig(
    steps=24, batch_size=4, looks=4, checkpoint_every=5, preview_every=24, learning_rate=2e-3
)


def recipe(**training: object) -> Recipe:
    return Recipe("Pond", TINY, LOOP.model_copy(update=training), seed=1)


def embed(images: np.ndarray) -> np.ndarray:
    """Mean colours and their spread, as features."""
    flat = images.reshape(*images.shape[:2], -1) / 255
    return np.concatenate([flat.mean(2), flat.std(2)], axis=1).astype(np.float32)


def held_out(images: np.ndarray) -> HeldOut:
    return HeldOut(images, np.zeros(len(images), np.int64), embed, "colours")


def many(squares: np.ndarray) -> np.ndarray:
    """24 images like the squares, none of which is trained on."""
    return np.concatenate([255 - squares, squares // 2])


def look(step: int, held_out_loss: float, kid: float) -> Look:
    return Look(step, 0.1, held_out_loss, kid, 0.1, 0.5, 0.0)


def rows_of(folder) -> list[dict[str, str]]:
    with (folder / "looks.csv").open() as file:
        return list(csv.DictReader(file))


class Stopped(Exception):
    pass


def test_the_nearest_to_real_images_is_kept_unless_it_memorizes():
    looks = [look(10, 1.0, 3.0), look(20, 0.9, 2.0), look(30, 0.95, 1.0), look(40, 1.1, 0.1)]
    assert choose(looks, tolerance=0.1).step == 30
    assert choose(looks, tolerance=0.3).step == 40
    assert is_memorizing(looks, 0.1) and not is_memorizing(looks[:3], 0.1)
    assert not is_memorizing([], 0.1)


def test_without_a_distance_the_last_that_does_not_memorize_is_kept():
    looks = [look(10, 1.0, math.nan), look(20, 1.05, math.nan), look(30, 2.0, math.nan)]
    assert choose(looks, tolerance=0.1).step == 20


def test_a_training_that_memorizes_is_ended_and_an_earlier_moment_kept(tmp_path, cpu):
    noise = np.random.default_rng(0).integers(0, 256, (14, 3, 16, 16), np.uint8)
    long = recipe(steps=1500, looks=50, learning_rate=5e-3, symmetries="none", precision="fp32")
    train_generator(noise[:2], long, tmp_path, cpu, held_out=held_out(noise[2:]))
    card, looks = read_card(tmp_path), rows_of(tmp_path)
    assert card["steps"] < card["planned_steps"] == 1500
    losses = [float(row["held_out_loss"]) for row in looks]
    assert losses[-1] > 1.1 * min(losses) and float(looks[-1]["loss"]) < 0.9 * losses[-1]
    assert card["chosen"]["step"] < card["steps"]
    assert card["chosen"]["held_out_loss"] <= 1.1 * min(losses) * 1.05
    assert not list((tmp_path / "snapshots").iterdir())


def test_an_interrupted_training_sees_and_keeps_the_same(squares, tmp_path, cpu):
    def stop_at(step: int):
        def listener(done: int, total: int, message: str = "") -> None:
            if done >= step:
                raise Stopped

        return listener

    arguments = (squares[:5], recipe())
    options = {"held_out": held_out(many(squares))}
    whole = train_generator(*arguments, tmp_path / "whole", cpu, **options)
    broken = tmp_path / "broken"
    for step in (6, 12, 20, 24):
        with pytest.raises(Stopped):
            train_generator(*arguments, broken, cpu, stop_at(step), **options)
    train_generator(*arguments, broken, cpu, **options)
    for name in ("generator.safetensors", "losses.csv", "looks.csv"):
        assert sha256_of(whole / name) == sha256_of(broken / name), name
    chosen = read_card(broken)["chosen"]
    assert chosen == read_card(whole)["chosen"] and chosen["ema_length"] > 0
    kids = [float(row["kid"]) for row in rows_of(whole)]
    assert chosen["step"] == [6, 12, 18, 24][int(np.argmin(kids))]
    assert [int(row["step"]) for row in rows_of(whole)] == [6, 12, 18, 24]


def test_a_fixed_decay_leaves_the_length_alone(squares, tmp_path, cpu):
    train_generator(
        squares[:5], recipe(ema_decay=0.9), tmp_path, cpu, held_out=held_out(squares[5:])
    )
    assert read_card(tmp_path)["chosen"]["ema_length"] is None


def test_few_held_out_images_give_a_loss_but_no_distance(squares, tmp_path, cpu):
    few = held_out(many(squares)[:19])
    train_generator(squares[:5], recipe(), tmp_path, cpu, held_out=few)
    chosen = read_card(tmp_path)["chosen"]
    assert chosen["kid"] is None and chosen["held_out_loss"] > 0


def test_a_look_takes_no_more_memory_with_more_images(squares, cpu):
    at_once, many = [], np.concatenate([squares, 255 - squares])
    diffusion = build_diffusion(TINY).eval()
    diffusion.model.register_forward_hook(lambda _, given, __: at_once.append(len(given[0])))
    labels = np.zeros(len(many), np.int64)
    Witness(many, labels, held_out(many), ("k",), False, cpu).look(diffusion, 1)
    assert max(at_once) == 8 and sum(at_once) == 10 * 32 + 2 * 4 * len(many)


def test_the_loss_of_a_look_is_the_mean_over_all_images(squares, cpu, monkeypatch):
    diffusion = build_diffusion(TINY).eval()
    witness = Witness(squares, np.zeros(12, np.int64), held_out(squares), ("k",), False, cpu)
    losses = []
    for at_once in (12, 5):  # 5 leaves a smaller last part
        monkeypatch.setattr("augment.train.evaluation._AT_ONCE", at_once)
        losses.append(witness.look(diffusion, 1).loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_single_held_out_image_says_nothing(squares, tmp_path, cpu):
    train_generator(squares[:5], recipe(), tmp_path, cpu, held_out=held_out(squares[5:6]))
    assert read_card(tmp_path)["chosen"] is None and not (tmp_path / "looks.csv").exists()


def test_other_held_out_images_are_another_training(squares, tmp_path, cpu):
    train_generator(squares[:5], recipe(), tmp_path, cpu, held_out=held_out(squares[5:]))
    with pytest.raises(BadInput, match="other images or settings"):
        train_generator(squares[:5], recipe(), tmp_path, cpu, held_out=held_out(squares[6:]))


@pytest.mark.parametrize(("n_images", "steps"), [(2, 50), (10, 250), (50, 1000), (1000, 1000)])
def test_a_small_class_is_trained_for_fewer_steps(n_images, steps):
    config = TrainingConfig(steps=1000, views=200, batch_size=4, accumulate=2)
    assert config.for_images(n_images).steps == steps
    assert config.model_copy(update={"views": None}).for_images(n_images).steps == 1000


def test_looking_does_not_change_the_training(squares, tmp_path, cpu):
    """The losses are those of a training that nobody watches."""
    for name, judged in (("watched", held_out(squares[5:])), ("alone", None)):
        torch.manual_seed(7)
        train_generator(squares[:5], recipe(), tmp_path / name, cpu, held_out=judged)
    watched, alone = ((tmp_path / n / "losses.csv").read_text() for n in ("watched", "alone"))
    kept = [line for line in watched.splitlines() if line in alone.splitlines()]
    assert kept[1:] and kept[-1].startswith("24,")
