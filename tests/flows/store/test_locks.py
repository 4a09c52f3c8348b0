import pytest

from flows.store.locks import locked
from terrabalance.progress import silent


def test_what_fails_leaves_no_folder_that_was_made_for_its_lock(tmp_path):
    with (
        pytest.raises(ValueError, match="refused"),
        locked(tmp_path / "data" / "things" / "thing.lock", "waiting", silent),
    ):
        raise ValueError("refused")
    assert not list(tmp_path.iterdir())


def test_what_fails_leaves_what_others_made_beside_its_lock(tmp_path):
    lock = tmp_path / "data" / "things" / "thing.lock"
    with pytest.raises(ValueError, match="refused"), locked(lock, "waiting", silent):
        (tmp_path / "data" / "other").write_text("kept")
        raise ValueError("refused")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["other"]


def test_the_lock_of_a_folder_that_was_there_stays(tmp_path):
    with pytest.raises(ValueError, match="refused"), locked(tmp_path / "a.lock", "", silent):
        raise ValueError("refused")
    assert (tmp_path / "a.lock").is_file()
