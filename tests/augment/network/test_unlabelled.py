import pytest

from augment.network.unlabelled import UnlabelledRecord, unlabelled_in

LEARNED = {
    "folder": "tiles", "source": "a survey", "licence": None, "n_listed": 9000, "n_learned": 8000,
    "n_labelled": 40, "near_held_out": {"test": 2, "val": 0, "oracle": 1}, "left_out": {"empty": 3},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "8,000 unlabelled images of tiles (source: a survey). 3 of that folder were kept out"),
        ({}, "held out, in test (2), oracle (1)."),
        ({"near_held_out": {"test": 0}}, "None of that folder is nearly the same picture"),
        ({"source": None, "near_held_out": None}, "tiles (source and licence not given)."),
        ({"n_labelled": 0}, "The base learned no training images of this data, but 8,000"),
    ],
)
def test_what_was_learned_and_kept_out_is_said_in_words(changed, said):
    assert said in UnlabelledRecord.model_validate(LEARNED | changed).in_words()


@pytest.mark.parametrize(
    "told", [{}, {"unlabelled": 3}, {"unlabelled": {**LEARNED, "n_listed": -1}}]
)
def test_a_card_that_says_nothing_of_them_says_nothing(told):
    assert unlabelled_in(told) is None
