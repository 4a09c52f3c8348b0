import pytest
from pydantic import ValidationError

from augment.catalogue import patterns
from augment.catalogue.config import ScanConfig
from augment.catalogue.patterns import found_in
from terrabalance.errors import BadInput


@pytest.mark.parametrize(
    "pattern, reason",
    [
        ("(scene", "is no regular expression: missing \\)"),
        ("*", "is no regular expression"),
        ("a" * 201, "at most 200 characters"),
        (r"(\w+)+_", "can take for ever"),
        (r"((a|b)c)*", "can take for ever"),
        (r"(?:x{2,}y){3,}", "can take for ever"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_before_any_work(pattern, reason):
    with pytest.raises(ValidationError, match=reason):
        ScanConfig(group_by=pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(scene\d+)_",
        r"^[^/]+/(.*)_\d+_\d+\.\w+$",
        r"(?:[A-Z]{2}_)+\d",
        r"[(+]+|\(a\+\)+",
        r"(a|b)c+",
    ],
)
def test_usual_patterns_are_taken(pattern):
    assert ScanConfig(group_by=pattern).group_by == pattern


def test_a_group_that_took_no_part_finds_nothing():
    assert found_in(["a1", "b2", "c"], r"a(\d)|b\d", "x") == ["1", "", ""]


def test_a_pattern_that_takes_too_long_is_stopped_with_the_path(monkeypatch):
    monkeypatch.setattr(patterns, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(patterns, "_PATIENCE_PER_PATH_S", 1e-9)
    said = r"scan\.group_by: 'a\*x' takes too long, the last at '(b2|a+)'"
    with pytest.raises(BadInput, match=said):
        found_in(["b2", "a" * 3000], "a*x", "scan.group_by")
