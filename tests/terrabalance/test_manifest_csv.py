import pandas as pd
import pytest

from terrabalance import manifest_csv
from terrabalance.manifest_csv import is_twin, write_twin


@pytest.mark.parametrize("n_rows", [0, 1, 2, 3, 7])
def test_the_twin_is_what_pandas_writes_of_all_rows_at_once(tmp_path, monkeypatch, n_rows):
    monkeypatch.setattr(manifest_csv, "_ROWS_AT_ONCE", 3)
    frame = pd.DataFrame({"class": ['say "hi",\n', "NA", "池"] * 3, "score": [0.1, None, 1e-9] * 3})
    frame = frame.head(n_rows)
    write_twin(frame, tmp_path / "manifest.csv")
    frame.to_csv(tmp_path / "at once.csv", index=False)
    assert (tmp_path / "manifest.csv").read_bytes() == (tmp_path / "at once.csv").read_bytes()
    assert is_twin(frame, tmp_path / "manifest.csv")


def test_other_rows_are_not_those_of_the_twin(tmp_path):
    frame = pd.DataFrame({"class": ["Pond", "Bog"]})
    write_twin(frame, tmp_path / "manifest.csv")
    for other in (frame.head(1), frame[::-1], pd.concat([frame, frame])):
        assert not is_twin(other, tmp_path / "manifest.csv")
