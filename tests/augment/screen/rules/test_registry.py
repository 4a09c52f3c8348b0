"""What all rules have in common."""

import pkgutil
import re
import subprocess
import sys

import pytest

from augment.screen import rules
from augment.screen.rules import ALWAYS_LIMITED, MEANINGS, NAMES, RULES, rules_key

SHARED = {"rule", "trait"}


def test_every_file_of_a_rule_is_in_the_registry():
    files = {module.name for module in pkgutil.iter_modules(rules.__path__)} - SHARED
    assert files == set(NAMES) and len(set(NAMES)) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_rule_has_a_name_for_a_column_and_words_for_the_report(rule):
    assert re.fullmatch("[a-z_]+", rule.name) and MEANINGS[rule.name] == rule.meaning
    assert rule.meaning[0].islower() and not rule.meaning.endswith(".")


def test_copies_and_repeats_need_no_validation_images():
    assert set(ALWAYS_LIMITED) == {"copy", "near_copy", "repeat"}


def test_names_and_meanings_are_read_without_torch_and_scikit_learn():
    code = (
        "import sys, augment.screen.statuses;"
        "print({'torch', 'sklearn', 'scipy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "set()", run.stderr


def test_another_set_of_rules_has_another_file():
    first = ("copy", "near_copy", "off_class", "colour", "sharpness", "edges", "noise", "outlier")
    assert rules_key(first) == []  # the files of the first rules are found again
    assert rules_key([*first, "shadows"]) == [*first, "shadows"]
    assert rules_key(first[::-1]) == list(first[::-1])
