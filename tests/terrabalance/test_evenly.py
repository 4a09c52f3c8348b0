import pytest

from terrabalance.evenly import evenly


@pytest.mark.parametrize(
    ("count", "most", "places"),
    [
        (0, 5, []),
        (1, 5, [0]),
        (5, 1, [0]),
        (3, 5, [0, 1, 2]),
        (5, 3, [0, 2, 4]),
        (101, 5, [0, 25, 50, 75, 100]),
    ],
)
def test_places_are_even_and_hold_both_ends(count: int, most: int, places: list[int]):
    assert evenly(count, most).tolist() == places


def test_no_place_is_taken_twice():
    assert all(len(set(evenly(count, 12).tolist())) == min(count, 12) for count in range(60))
