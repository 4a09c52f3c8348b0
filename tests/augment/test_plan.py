import pytest
from pydantic import ValidationError

from augment.config import PlanConfig
from augment.plan import plan_classes, plan_record, target_count
from terrabalance.errors import BadInput

COUNTS = {"Pond": 98, "River": 84, "Church": 11, "Beach": 41}


def needed(**settings: object) -> dict[str, int]:
    plans = plan_classes(COUNTS, PlanConfig(**settings))
    return {plan.class_name: plan.n_needed for plan in plans if plan.n_needed}


@pytest.mark.parametrize(
    ("target", "count"), [("max", 98), ("median", 63), ("50%", 49), ("60", 60), ("33.3%", 33)]
)
def test_target_policies(target, count):
    assert target_count(COUNTS, target) == count


def test_max_fills_every_class_up_to_the_largest():
    assert needed() == {"Church": 87, "Beach": 57, "River": 14}


def test_plan_never_asks_for_negative_images():
    assert needed(target=50) == {"Church": 39, "Beach": 9}


def test_a_cap_limits_synthetic_per_real_image_and_says_so():
    plans = plan_classes(COUNTS, PlanConfig(max_per_real=2))
    church = plans[0]
    assert (church.class_name, church.n_needed, church.capped) == ("Church", 22, True)
    assert not plans[1].capped


@pytest.mark.parametrize("most, n_needed", [(0.29, 29), (0.57, 57), (0.58, 58), (1.15, 115)])
def test_a_cap_is_counted_in_decimals(most, n_needed):
    plan, _ = plan_classes({"a": 100, "b": 1000}, PlanConfig(max_per_real=most, rarest=None))
    assert plan.n_needed == n_needed


@pytest.mark.parametrize("largest, share, count", [(250, "64.4%", 161), (375, "8.8%", 33)])
def test_a_share_is_counted_in_decimals(largest, share, count):
    assert target_count({"a": largest}, share) == count


def test_classes_narrow_the_plan():
    assert needed(classes=("Beach",)) == {"Beach": 57}
    assert needed(rarest=1) == {"Church": 87}


def test_a_class_outside_the_plan_is_still_a_minority():
    plans = plan_classes(COUNTS, PlanConfig(rarest=1))
    assert [plan.minority for plan in plans] == [True, True, True, False]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rarest": 2}, "Only the 2 rarest classes are filled; all: --set plan.rarest=none."),
        ({"rarest": 1}, "Only the rarest class is filled; all: --set plan.rarest=none."),
        ({"rarest": 3}, ""),  # the largest is at the target
        ({"classes": ("Church", "Beach")}, ""),
        ({"rarest": 1, "max_per_real": 0.01}, "Only the rarest class"),
    ],
)
def test_a_plan_says_that_rarest_leaves_classes_out_and_how_to_fill_all(settings, said):
    config = PlanConfig(**settings)
    line = plan_record(plan_classes(COUNTS, config), config, {})["left_out"]
    assert line.startswith(said) and bool(line) == bool(said)


def test_the_way_to_fill_all_classes_fills_all():
    assert needed(rarest="none") == needed(rarest=None) == needed()


@pytest.mark.parametrize("odd", ["Pond, small", " Pond"])
def test_a_name_that_the_option_cannot_hold_is_shown_as_a_setting(odd):
    with pytest.raises(BadInput, match="no such class") as caught:
        plan_classes({"Church": 9, odd: 5}, PlanConfig(classes=("Pond",)))
    assert f"--set 'plan.classes=[\"{odd}\"]'" in str(caught.value)


def test_a_thousand_classes_are_not_all_listed():
    counts = {f"Class{number:04d}": 9 for number in range(1000)}
    with pytest.raises(BadInput, match="'Class0029' and 970 more"):
        plan_classes(counts, PlanConfig(classes=("Pond",)))


def test_unknown_class_is_named_with_the_ones_there_are():
    with pytest.raises(BadInput, match=r"no such class: 'Lake'.*Church"):
        plan_classes(COUNTS, PlanConfig(classes=("Lake",)))


def test_where_a_class_has_a_comma_the_error_says_how_to_give_it():
    counts = {"Pond": 3, "Port, old": 9}
    with pytest.raises(BadInput, match=r"""--set 'plan.classes=\["Port, old"\]'"""):
        plan_classes(counts, PlanConfig(classes=("Port", "old")))
    with pytest.raises(BadInput) as caught:
        plan_classes({"Pond": 3}, PlanConfig(classes=("Lake",)))
    assert "--set" not in str(caught.value)


def test_an_empty_train_part_is_refused():
    with pytest.raises(BadInput, match="no usable image"):
        plan_classes({}, PlanConfig())


@pytest.mark.parametrize("target", ["most", "-3", "0", "200 percent", ""])
def test_an_unknown_policy_is_refused(target):
    with pytest.raises(ValidationError, match="is not max, median"):
        PlanConfig(target=target)


def test_a_class_of_one_image_is_refused_before_any_training():
    with pytest.raises(BadInput, match=r"fewer than 2 images of 'Church'"):
        plan_classes({"Pond": 20, "Church": 1}, PlanConfig())
    plans = plan_classes({"Pond": 20, "Park": 9, "Church": 1}, PlanConfig(classes=("Park",)))
    assert [plan.class_name for plan in plans if plan.n_needed] == ["Park"]
