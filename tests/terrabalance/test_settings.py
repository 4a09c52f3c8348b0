from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from terrabalance.files import fingerprint
from terrabalance.settings import Settings, absolute_path


class _Before(Settings):
    views: int = 800
    compile: bool = False
    rate: float | None = 0.1


class _Now(Settings):
    FORMER_NAMES: ClassVar[dict[str, str]] = {"passes": "views"}
    RETIRED: ClassVar[dict[str, Any]] = {"compile": False}
    ADDED: ClassVar[dict[str, Any]] = {"patch": 1}

    patch: int = 1
    passes: int = 800
    rate: float | None = 0.1


class _Run(Settings):
    training: _Now = _Now()


def test_a_renamed_and_a_retired_setting_leave_the_key_as_it_was():
    assert fingerprint(_Now(passes=3).key()) == fingerprint(_Before(views=3).model_dump())
    assert _Run().key() == {"training": _Before().model_dump()}


def test_a_setting_that_came_later_counts_only_where_it_changes_something():
    assert "patch" not in _Now().key()
    assert _Now(patch=2).key() == {**_Now().key(), "patch": 2}


def test_what_an_earlier_version_wrote_is_completed_by_what_it_did():
    written = _Before(views=5).model_dump()
    assert _Run.completed({"training": written}) == {"training": {**written, "patch": 1}}
    assert _Run.completed({"training": {"patch": 2}}) == {"training": {"patch": 2}}


def test_settings_of_an_earlier_version_are_understood():
    assert _Now(**_Before(views=5, rate=None).model_dump()) == _Now(passes=5, rate=None)


def test_a_retired_setting_with_another_value_is_refused_by_its_name():
    with pytest.raises(ValidationError, match="compile"):
        _Now(compile=True)


def test_a_key_leaves_out_what_does_not_decide_the_result():
    assert _Now().key(exclude={"rate", "compile"}) == {"views": 800}


def test_none_is_a_word_where_a_field_may_be_none():
    assert _Now(rate="none").rate is None
    with pytest.raises(ValidationError):
        _Now(passes="none")


def test_a_path_from_another_folder_is_the_same_path(tmp_path, monkeypatch):
    for name in ("one", "two/deep", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "two" / "deep")
    (tmp_path / "ring").symlink_to(tmp_path / "ring")
    monkeypatch.chdir(tmp_path / "one")
    assert str(absolute_path(Path("../data"))) == str(tmp_path / "data")
    # As `cd -P` and every program go: above what the link leads to.
    assert str(absolute_path(Path("../link/../data"))) == str(tmp_path / "two" / "data")
    assert absolute_path(tmp_path / "link").name == "link"
    assert ".." not in absolute_path(Path("../ring/x")).parts
