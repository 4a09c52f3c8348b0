import pytest

from classifier.compare.predictions import read_predictions
from terrabalance.errors import BadInput

from .conftest import compared, guesses


def test_an_arm_that_lacks_an_image_is_refused():
    predictions = guesses({"real": [0.5] * 3, "synthetic": [0.6] * 3}, n=12).iloc[:-1]
    with pytest.raises(BadInput, match="'synthetic', seed 2 predicts 35 of 36"):
        compared(predictions)


def test_an_arm_that_lacks_a_seed_is_refused():
    predictions = guesses({"real": [0.5] * 3, "synthetic": [0.6] * 3}, n=12)
    lacking = predictions[(predictions["arm"] == "real") | (predictions["seed"] != 1)]
    with pytest.raises(BadInput, match="'synthetic', seed 1 predicts 0 of 36"):
        compared(lacking)


def test_arms_that_disagree_on_the_truth_are_refused():
    predictions = guesses({"real": [0.5] * 3, "synthetic": [0.6] * 3}, n=12)
    predictions.loc[0, "class"] = "c2"
    with pytest.raises(BadInput, match=r"the true class of '0/0000\.png'"):
        compared(predictions)


def test_a_class_called_na_survives_the_file(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("split,path,class,predicted,confidence\ntest,a.png,NA,1,0.5\n")
    rows = read_predictions(path)
    assert rows["class"].tolist() == ["NA"] and rows["predicted"].tolist() == ["1"]
