import pytest

from classifier.train.training import train
from terrabalance.errors import BadInput
from terrabalance.manifest import Manifest

from ..conftest import REAL, experiment_for


def test_a_synthetic_test_image_is_refused(squares, tmp_path):
    frame = squares.frame.copy()
    frame.loc[frame["split"] == "test", "source"] = "synthetic"
    with pytest.raises(BadInput, match=r"val or test are not real, the first is 'test/"):
        train(experiment_for(Manifest(squares.root, frame), tmp_path), REAL)


def test_a_test_image_among_the_training_images_is_refused(squares, tmp_path):
    frame = squares.frame.copy()
    leak = frame.index[frame["split"] == "train"][-1]  # a synthetic one
    frame.loc[leak, "sha256"] = frame.loc[frame["split"] == "test", "sha256"].iloc[0]
    with pytest.raises(BadInput, match=r"trained on as well, the first is 'test/"):
        train(experiment_for(Manifest(squares.root, frame), tmp_path), REAL)


def test_images_in_both_val_and_test_are_refused(squares, tmp_path):
    frame = squares.frame.copy()
    test = frame.index[frame["split"] == "test"][0]
    frame.loc[frame.index[frame["split"] == "val"][0], "sha256"] = frame.loc[test, "sha256"]
    with pytest.raises(BadInput, match="1 images of val are in test as well"):
        train(experiment_for(Manifest(squares.root, frame), tmp_path), REAL)


def test_a_class_that_is_only_in_test_is_refused_before_any_training(squares, tmp_path):
    frame = squares.frame.copy()
    frame.loc[frame.index[frame["split"] == "test"][0], "class"] = "Strange"
    with pytest.raises(BadInput, match=r"without a real training image: 'Strange'"):
        train(experiment_for(Manifest(squares.root, frame), tmp_path), REAL)
    assert not list(tmp_path.iterdir())
