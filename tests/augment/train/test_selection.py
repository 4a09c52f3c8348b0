import math
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from torch import nn

from augment.network.card import read_card
from augment.train.evaluation import Evaluation
from augment.train.selection import CheckpointSelection, best, is_memorizing
from augment.train.snapshots import Snapshots
from augment.train.training import train_generator
from terrabalance.errors import BadInput
from terrabalance.files import sha256_of

from .held_out import data, evaluations_of, many, spec


def evaluation(step: int, held_out_loss: float, kid: float) -> Evaluation:
    return Evaluation(step, 0.1, held_out_loss, kid, 0.1, 0.5, 0.0)


class Stopped(Exception):
    pass


def test_the_nearest_to_real_images_is_kept_unless_it_memorizes():
    measured = [(10, 1.0, 3.0), (20, 0.9, 2.0), (30, 0.95, 1.0), (40, 1.1, 0.1)]
    found = [evaluation(*each) for each in measured]
    assert best(found, tolerance=0.1).step == 30
    assert best(found, tolerance=0.3).step == 40
    assert is_memorizing(found, 0.1) and not is_memorizing(found[:3], 0.1)
    assert not is_memorizing([], 0.1)


def test_without_a_distance_the_last_that_does_not_memorize_is_kept():
    losses = [(10, 1.0), (20, 1.05), (30, 2.0)]
    found = [evaluation(step, loss, math.nan) for step, loss in losses]
    assert best(found, tolerance=0.1).step == 20


def test_a_training_that_memorizes_is_ended_and_an_earlier_checkpoint_kept(tmp_path, cpu):
    noise = np.random.default_rng(0).integers(0, 256, (14, 3, 16, 16), np.uint8)
    settings = {"learning_rate": 5e-3, "symmetries": "none", "precision": "fp32"}
    long = spec(steps=1500, evaluations=50, **settings)
    train_generator(data(noise[:2], noise[2:]), long, tmp_path, [cpu])
    card, found = read_card(tmp_path), evaluations_of(tmp_path)
    assert card["steps"] < card["planned_steps"] == 1500
    losses = [float(row["held_out_loss"]) for row in found]
    assert losses[-1] > 1.1 * min(losses) and float(found[-1]["loss"]) < 0.9 * losses[-1]
    assert card["chosen"]["step"] < card["steps"]
    assert card["chosen"]["held_out_loss"] <= 1.1 * min(losses) * 1.05
    assert not list((tmp_path / "snapshots").iterdir())


def test_an_interrupted_training_evaluates_and_keeps_the_same(squares, tmp_path, cpu):
    def stop_at(step: int):
        def listener(done: int, total: int, message: str = "") -> None:
            if done >= step:
                raise Stopped

        return listener

    images = data(squares[:5], many(squares))
    whole = train_generator(images, spec(), tmp_path / "whole", [cpu])
    broken = tmp_path / "broken"
    for step in (6, 9, 10, 12):  # before an evaluation, or a checkpoint, or both
        with pytest.raises(Stopped):
            train_generator(images, spec(), broken, [cpu], stop_at(step))
    train_generator(images, spec(), broken, [cpu])
    for name in ("generator.safetensors", "losses.csv", "looks.csv"):
        assert sha256_of(whole / name) == sha256_of(broken / name), name
    chosen = read_card(broken)["chosen"]
    assert chosen == read_card(whole)["chosen"] and chosen["ema_length"] > 0
    kids = [float(row["kid"]) for row in evaluations_of(whole)]
    assert chosen["step"] == [3, 6, 9, 12][int(np.argmin(kids))]
    assert [int(row["step"]) for row in evaluations_of(whole)] == [3, 6, 9, 12]


@pytest.mark.parametrize("damage", ["lost", "changed"])
@pytest.mark.parametrize("damaged, best_step", [((), 12), ((12,), 18), ((12, 18), 24), ((24,), 12)])
def test_averages_that_are_lost_leave_the_choice_to_the_other_steps(
    tmp_path, caplog, damage, damaged, best_step
):
    def averages(step: int) -> list[SimpleNamespace]:
        return [SimpleNamespace(network=weights_of(step))]

    selection = CheckpointSelection(SimpleNamespace(feature_network=None), tmp_path, spec())
    kids = {12: 1.0, 18: 2.0, 24: 3.0}
    selection.load([asdict(evaluation(step, 1.0, kid)) for step, kid in kids.items()])
    for step in kids:
        Snapshots(tmp_path).keep(step, averages(step))
    for step in damaged:
        path = tmp_path / f"step_{step:07d}.safetensors"
        content = path.read_bytes()
        path.unlink()
        if damage == "changed":
            path.write_bytes(content[:-1] + b"!")
    # Restored from the checkpoint of the last step, which has its averages.
    stepper = SimpleNamespace(step=24, averages=averages(24), average=weights_of(0))
    assert selection.choose(stepper).evaluation.step == best_step
    assert stepper.average.weight.item() == best_step
    assert caplog.text.count("averages are lost") == len({12, 18}.intersection(damaged))


def weights_of(step: int) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, step)
    return layer


def test_a_fixed_decay_leaves_the_length_alone(squares, tmp_path, cpu):
    train_generator(data(squares[:5], squares[5:]), spec(ema_decay=0.9), tmp_path, [cpu])
    assert read_card(tmp_path)["chosen"]["ema_length"] is None


def test_a_single_held_out_image_selects_nothing(squares, tmp_path, cpu):
    train_generator(data(squares[:5], squares[5:6]), spec(), tmp_path, [cpu])
    assert read_card(tmp_path)["chosen"] is None and not (tmp_path / "looks.csv").exists()


def test_other_held_out_images_are_another_training(squares, tmp_path, cpu):
    train_generator(data(squares[:5], squares[5:]), spec(), tmp_path, [cpu])
    with pytest.raises(BadInput, match="other images or settings"):
        train_generator(data(squares[:5], squares[6:]), spec(), tmp_path, [cpu])
