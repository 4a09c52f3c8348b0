import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from terrabalance.wording import in_short, listed, shown, unfit


class Pond(BaseModel):
    model_config = ConfigDict(extra="forbid")
    depth: int


class Park(BaseModel):
    pond: Pond


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pond": {"depth": "deep"}}, "the field 'pond.depth' does not fit"),
        ({"pond": {"depth": 1, "reed": 2}}, "the field 'pond.reed' does not fit"),
        (
            {"pond": {"depth": "deep", "a": 1, "b": 1, "c": 1, "d": 1}},
            "the fields 'pond.depth', 'pond.a', 'pond.b' and 2 more do not fit",
        ),
    ],
)
def test_the_fields_that_do_not_fit_are_named(given, said):
    with pytest.raises(ValidationError) as refused:
        Park.model_validate(given)
    assert unfit(refused.value) == said


def test_a_long_value_is_shown_by_both_ends():
    assert shown("a" * 500 + "b" * 500) == repr("a" * 60 + "…" + "b" * 60)
    assert shown(["x" * 500]) == "['" + "x" * 58 + "…" + "x" * 58 + "']"


def test_a_value_of_120_characters_is_shown_whole():
    assert shown("a" * 120) == repr("a" * 120)


def test_what_has_no_text_is_shown_by_its_type():
    assert shown(10**5000) == "this int"


def test_controlling_characters_are_escaped():
    assert shown("\x1b[2J") == r"'\x1b[2J'"


def test_of_many_names_the_first_are_listed_and_the_others_counted():
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed(list(range(33))).endswith(", 29 and 3 more")
    assert in_short(["one", "two", "three"], 2) == "one, two and 1 more"
