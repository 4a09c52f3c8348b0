import numpy as np
import pytest
import torch

from augment.network.card import read_card
from augment.network.generator import build_diffusion
from augment.train.evaluation import HeldOutEvaluator
from augment.train.training import train_generator

from .held_out import TINY, data, many, spec


def test_few_held_out_images_give_a_loss_but_no_distance(squares, tmp_path, cpu):
    train_generator(data(squares[:5], many(squares)[:19]), spec(), tmp_path, [cpu])
    chosen = read_card(tmp_path)["chosen"]
    assert chosen["kid"] is None and chosen["held_out_loss"] > 0


def test_an_evaluation_takes_no_more_memory_with_more_images(squares, cpu):
    at_once, images = [], np.concatenate([squares, 255 - squares])
    diffusion = build_diffusion(TINY).eval()
    diffusion.model.register_forward_hook(lambda _, given, __: at_once.append(len(given[0])))
    HeldOutEvaluator(data(images, images), spec(), cpu).evaluate(diffusion, 1)
    assert max(at_once) == 8 and sum(at_once) == 4 * 32 + 2 * 4 * len(images)


def test_the_loss_of_an_evaluation_is_the_mean_over_all_images(squares, cpu, monkeypatch):
    diffusion = build_diffusion(TINY).eval()
    evaluator, losses = HeldOutEvaluator(data(squares, squares), spec(), cpu), []
    for at_once in (12, 5):  # 5 leaves a smaller last part
        monkeypatch.setattr("augment.train.evaluation._AT_ONCE", at_once)
        losses.append(evaluator.evaluate(diffusion, 1).loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_evaluations_do_not_change_the_training(squares, tmp_path, cpu):
    for name, unseen in (("evaluated", squares[5:]), ("alone", squares[:0])):
        torch.manual_seed(7)
        train_generator(data(squares[:5], unseen), spec(), tmp_path / name, [cpu])
    evaluated, alone = ((tmp_path / n / "losses.csv").read_text() for n in ("evaluated", "alone"))
    kept = [line for line in evaluated.splitlines() if line in alone.splitlines()]
    assert kept[1:] and kept[-1].startswith("12,")
