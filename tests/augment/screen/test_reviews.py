import pandas as pd
import pytest

from augment.screen.reviews import read_reviews, review_columns, with_decision, write_reviews
from terrabalance.errors import BadInput


def test_the_last_decision_on_an_image_counts_and_can_be_taken_back(tmp_path):
    assert read_reviews(tmp_path) == {}
    kept = with_decision({}, "a.png", "refuse", "Ada")
    kept = with_decision(kept, "b.png", "accept", "Ada")
    kept = with_decision(kept, "a.png", "accept", "Bob")
    write_reviews(tmp_path, kept)
    assert read_reviews(tmp_path) == kept
    assert {path: (each["review"], each["reviewer"]) for path, each in kept.items()} == {
        "a.png": ("accept", "Bob"), "b.png": ("accept", "Ada"),
    }  # fmt: skip
    assert kept["a.png"]["reviewed"].endswith("+00:00")
    assert set(with_decision(kept, "a.png", None, "Bob")) == {"b.png"}


def test_an_image_without_a_decision_has_empty_columns():
    reviews = {"b.png": {"review": "refuse", "reviewer": "Ada", "reviewed": "now"}}
    columns = review_columns(pd.Series(["a.png", "b.png"]), reviews)
    assert columns.to_numpy().tolist() == [["", "", ""], ["refuse", "Ada", "now"]]


@pytest.mark.parametrize(
    "text",
    ["[]", '{"a.png": "refuse"}', '{"a.png": {"review": 1}}', '{"a.png": {"review": "reject"}}'],
)
def test_a_file_of_something_else_is_refused_by_its_name(tmp_path, text):
    (tmp_path / "reviews.json").write_text(text)
    with pytest.raises(BadInput, match=r"reviews\.json: holds no decisions"):
        read_reviews(tmp_path)


@pytest.mark.parametrize("text", ["", "[]"])
def test_damaged_decisions_are_put_back_or_renamed_but_never_removed(tmp_path, text):
    (tmp_path / "reviews.json").write_text(text)
    with pytest.raises(BadInput, match="rename it") as error:
        read_reviews(tmp_path)
    assert "delete" not in str(error.value)
