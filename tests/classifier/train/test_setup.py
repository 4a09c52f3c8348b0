import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from classifier.arms.registry import ARMS
from classifier.arms.setting import Setting
from classifier.train.examples import FeatureExamples
from classifier.train.experiment import Trial
from classifier.train.loop import Trainer
from classifier.train.setup import LinearHead
from classifier.train.training import train
from terrabalance.manifest import Manifest
from terrabalance.progress import silent

from ..conftest import REAL, ask_test, experiment_for, outputs, tiny_config


def test_features_keep_their_labels_where_images_come_from_several_parts(
    squares, tmp_path, backbone
):
    frame = squares.frame.copy()
    frame.loc[frame["path"].str.contains("train/.*real_[4-7]"), "split"] = "oracle"
    experiment = experiment_for(Manifest(squares.root, frame), tmp_path / "out", frozen=True,
                      weights=backbone, steps=60, learning_rate=0.05)  # fmt: skip
    for arm in ("oracle", "synthetic"):
        train(experiment, Trial(arm, 0))
        found = ask_test(experiment, Trial(arm, 0)).predictions()
        assert (found["class"] == found["predicted"]).mean() >= 0.75


def test_a_head_on_frozen_features_learns_and_shares_the_features(squares, tmp_path, backbone):
    experiment = experiment_for(squares, tmp_path / "out", frozen=True, weights=backbone, steps=60,
                      learning_rate=0.05)  # fmt: skip
    train(experiment, REAL)
    found = ask_test(experiment, REAL).predictions()
    assert (found["class"] == found["predicted"]).mean() >= 0.75
    files = set((tmp_path / "out" / "features").iterdir())
    train(experiment, Trial("class-weight", 1))
    ask_test(experiment, Trial("class-weight", 1))
    assert set((tmp_path / "out" / "features").iterdir()) == files
    again = experiment_for(squares, tmp_path / "again", frozen=True, weights=backbone, steps=60,
                      learning_rate=0.05)  # fmt: skip
    train(again, REAL)
    assert outputs(experiment, REAL) == outputs(again, REAL)


def test_damaged_features_are_made_again(squares, tmp_path, backbone):
    settings = {"frozen": True, "weights": backbone, "steps": 2}
    train(experiment_for(squares, tmp_path / "out", **settings), REAL)
    for path in (tmp_path / "out" / "features").iterdir():
        path.write_bytes(b"\0" * 20)
    train(experiment_for(squares, tmp_path / "out", **settings), Trial("real", 1))


@pytest.mark.parametrize("penalty", [0.03, 0.3])
def test_a_penalised_head_is_the_regression_that_scikit_learn_finds(penalty, tmp_path, cpu):
    draws = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 40 + [1] * 15 + [2] * 5)
    features = torch.randn(60, 1, 6, generator=draws).abs() + labels[:, None, None] * 0.3
    paths = [str(i) for i in range(60)]
    examples = FeatureExamples(features, labels, labels < 0, paths, cpu)
    head = LinearHead(features[:, 0], 3)
    config = tiny_config(steps=400, batch_size=60, learning_rate=0.1, weight_decay=0)
    trainer = Trainer(head, config, 0, cpu, [40, 15, 5], ARMS["real"], Setting(penalty=penalty))
    trainer.train(examples, tmp_path, "", "", silent, 3600)
    rooted = features[:, 0].sqrt()
    scaled = ((rooted - rooted.mean(dim=0)) / rooted.std(dim=0)).numpy()
    regression = LogisticRegression(C=1 / (60 * penalty), tol=1e-8, max_iter=5000)
    wanted = regression.fit(scaled, labels).predict_proba(scaled)
    found = trainer.predict(examples).softmax(dim=1).numpy()
    np.testing.assert_allclose(found, wanted, atol=0.01)


def test_frozen_features_of_nothing_are_refused():
    with pytest.raises(ValueError, match="frozen needs pretrained weights"):
        tiny_config(frozen=True)


def test_whether_features_were_there_already_changes_nothing(squares, tmp_path, backbone):
    settings = {"frozen": True, "weights": backbone, "steps": 4}
    cold = experiment_for(squares, tmp_path / "cold", **settings)
    warm = experiment_for(squares, tmp_path / "warm", **settings)
    train(warm, Trial("class-weight", 3))
    for experiment in (cold, warm):
        train(experiment, REAL)
    assert outputs(cold, REAL) == outputs(warm, REAL)


def test_a_head_standardises_the_square_roots_of_features_and_keeps_their_signs():
    features = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32) ** 3
    head = LinearHead(torch.from_numpy(features), 2)
    roots = FunctionTransformer(lambda x: np.sign(x) * np.sqrt(np.abs(x))).transform(features)
    scaler = StandardScaler().fit(roots)
    # n - 1 in the standard deviation, as of a sample
    expected = scaler.transform(roots) * np.sqrt(39 / 40) @ head.linear.weight.detach().numpy().T
    found = head(torch.from_numpy(features)) - head.linear.bias
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-4, atol=1e-5)
