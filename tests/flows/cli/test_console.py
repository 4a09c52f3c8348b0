import io

import pytest
from rich.console import Console

from augment.config import PlanConfig
from augment.plan import plan_classes, plan_record
from flows.cli import console
from terrabalance.files import write_json


@pytest.fixture
def printed(monkeypatch) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setattr(console, "console", Console(file=text, width=100))
    return text


def test_a_stage_that_found_all_done_says_so_and_no_longer_pulses(monkeypatch):
    printed = io.StringIO()
    monkeypatch.setattr(console, "console", Console(file=printed, force_terminal=True, width=100))
    with console.bars() as watch:
        watch("scan")
        watch("train Pond")(3, 4, "loss 0.1")
        watch("assemble")
    last = printed.getvalue().splitlines()[-4:-1]  # the very last shows the cursor again
    assert ["found" in line for line in last] == [True, False, True]
    assert "3/4" in last[1] and "0/?" not in "".join(last)


@pytest.mark.parametrize(("rarest", "said"), [(1, True), (None, False)])
def test_a_plan_says_why_classes_below_the_target_are_not_filled(printed, rarest, said):
    config = PlanConfig(rarest=rarest)
    cost = {"train_s": 60.0, "sample_s": 60.0, "image_s": 1.0, "device": "cpu"}
    jobs = plan_classes({"Pond": 9, "River": 8, "Beach": 5}, config)
    console.print_plan(plan_record(jobs, config, cost), 0, 0)
    line = "Only the rarest class is filled; all: --set plan.rarest=none."
    assert (line in printed.getvalue()) is said


def test_a_plan_says_which_work_of_a_run_its_cost_leaves_out(printed):
    cost = {"train_s": 60.0, "sample_s": 60.0, "image_s": 1.0, "device": "cpu"}
    plan = plan_record(plan_classes({"Pond": 9, "River": 8}, PlanConfig()), PlanConfig(), cost)
    console.print_plan(plan, 0, 0)
    said = " ".join(printed.getvalue().split())
    assert "measured on cpu. Not counted: " in said
    left_out = said.partition("Not counted: ")[2]
    assert "a classifier is trained for it first" in left_out  # with fidelity.model=baseline
    assert "the classifiers that are compared" in left_out


def test_a_plan_that_fills_no_class_says_so_and_names_no_cost(printed):
    cost = {"train_s": 0.0, "sample_s": 0.0, "image_s": 0.0, "device": "cpu"}
    config = PlanConfig(target="0%")
    plan = plan_record(plan_classes({"Pond": 9, "River": 8}, config), config, cost)
    console.print_plan(plan, 0, 0)
    assert "This plan fills no class" in printed.getvalue()
    assert "to train" not in printed.getvalue()


def test_missing_images_are_told_a_line_a_class(printed, tmp_path):
    full = {"n_missing": 0}
    short = {"n_missing": 57, "n_needed": 59, "n_drawn": 177, "refused": {"off_class": 170},
             "refused_by_eye": 0}  # fmt: skip
    rows = [{"class": "[b]Beach", "screening": short}, {"class": "Pond", "screening": full},
            {"class": "River", "screening": None}]  # fmt: skip
    write_json(tmp_path / "balance.json", {"filled": rows})
    console.print_missing(tmp_path / "balance.json")
    (line,) = printed.getvalue().splitlines()
    assert line.startswith("[b]Beach: 57 of 59 images are missing after drawing 177; refused: ")
    assert "looks like another class (170)" in line
