import pandas as pd
import pytest

from augment.screen.reviews import keep_review, read_reviews, review_columns
from terrabalance.errors import BadInput


def test_the_last_decision_on_an_image_counts_and_can_be_taken_back(tmp_path):
    assert read_reviews(tmp_path) == {}
    keep_review(tmp_path, "a.png", "refuse", "Ada")
    keep_review(tmp_path, "b.png", "accept", "Ada")
    keep_review(tmp_path, "a.png", "accept", "Bob")
    kept = read_reviews(tmp_path)
    assert {path: (each["review"], each["reviewer"]) for path, each in kept.items()} == {
        "a.png": ("accept", "Bob"), "b.png": ("accept", "Ada"),
    }  # fmt: skip
    assert kept["a.png"]["reviewed"].endswith("+00:00")
    keep_review(tmp_path, "a.png", None, "Bob")
    assert set(read_reviews(tmp_path)) == {"b.png"}


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
