import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, recall_score

from classifier.compare.scores import calibration_error, scores
from terrabalance.errors import BadInput

CLASSES = ["Pond", "Field", "<b>Port"]


def drawn(n: int = 60, classes: list[str] = CLASSES) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"class": rng.choice(classes, n), "predicted": rng.choice(classes, n)})


def test_scores_equal_those_of_scikit_learn():
    rows = drawn()
    found, pair = scores(rows, CLASSES), (rows["class"], rows["predicted"])
    assert found["accuracy"] == pytest.approx(np.mean(pair[0] == pair[1]))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(*pair))
    assert found["macro_f1"] == pytest.approx(f1_score(*pair, average="macro"))
    recalls = recall_score(*pair, labels=CLASSES, average=None)
    assert [row["recall"] for row in found["per_class"]] == pytest.approx(recalls.tolist())
    assert found["confusion"] == confusion_matrix(*pair, labels=CLASSES).tolist()


def test_a_class_without_test_images_does_not_lower_the_average():
    rows = pd.DataFrame({"class": ["Pond", "Field"], "predicted": ["Pond", "Field"]})
    found = scores(rows, CLASSES)
    assert found["balanced_accuracy"] == found["macro_f1"] == 1
    assert found["per_class"][2]["support"] == 0


def test_a_class_never_predicted_has_no_precision():
    rows = pd.DataFrame({"class": ["Pond", "Field"], "predicted": ["Pond", "Pond"]})
    assert scores(rows, CLASSES)["per_class"][1]["precision"] == 0


def test_calibration_error_is_the_gap_of_every_bin_by_its_images():
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55, 1.0, 0.0])
    hit = np.array([True, True, True, False, True, False, True, False])
    # Bins of a fifteenth; that of 0.95 and 1.0 is one: 4.8 sure, 4 right.
    assert calibration_error(confidence, hit) == pytest.approx((0.8 + 0.1) / 8)


def test_an_unknown_class_is_named():
    rows = pd.DataFrame({"class": ["Pond"], "predicted": ["Lake"]})
    with pytest.raises(BadInput, match=r"not trained: 'Lake'"):
        scores(rows, CLASSES)


def test_an_empty_split_is_refused():
    with pytest.raises(BadInput, match="the split has no images"):
        scores(drawn(0), CLASSES)
