import os

import pytest

from augment.catalogue.sources import open_source
from terrabalance.errors import BadInput


@pytest.mark.parametrize("name", ["missing", "a.txt"])
def test_what_is_no_data_is_refused(tmp_path, name):
    (tmp_path / "a.txt").write_bytes(b"x")
    with pytest.raises(BadInput, match=name):
        open_source(tmp_path / name, tmp_path / "x")


def test_images_without_a_csv_is_refused(tmp_path):
    with pytest.raises(BadInput, match="--images goes with a CSV"):
        open_source(tmp_path, tmp_path / "x", tmp_path)


@pytest.mark.parametrize("name", ["list.csv", "data.zip", "data.tar.gz", "folder"])
def test_a_pipe_is_no_data_whatever_its_name(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(BadInput, match="neither a folder nor a regular file"):
        open_source(tmp_path / name, tmp_path / "x")
