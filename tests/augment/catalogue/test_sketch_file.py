import numpy as np
import pytest

from augment.catalogue.hashes import Sketches, sketch_of
from augment.catalogue.sketch_file import read_sketches, write_sketches
from terrabalance.errors import BadInput


def test_sketches_are_read_as_they_were(tmp_path):
    sketches = Sketches.room_for(4)
    for place in range(4):
        sketches.put(place, sketch_of(np.random.default_rng(place).normal(0, 9, (32, 32))))
    some = sketches.take(np.array([3, 1]))
    write_sketches(tmp_path / "s", some)
    found = read_sketches(tmp_path / "s")
    assert [found.content(place) for place in (0, 1)] == [sketches.content(n) for n in (3, 1)]


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    write_sketches(tmp_path / "s", Sketches.room_for(2))
    whole = (tmp_path / "s").read_bytes()
    (tmp_path / "s").write_bytes(
        whole.replace(b"ranges", b"rangez") if content is None else content
    )
    with pytest.raises(BadInput, match="no sketches of pictures"):
        read_sketches(tmp_path / "s")
