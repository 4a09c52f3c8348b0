import pytest
from PIL import Image

from augment.catalogue.look import look_at
from terrabalance.errors import UnreadableImage


def test_a_jpeg_whose_mask_lies_beside_it_is_refused_already_when_looked_at(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (24, 20)).save(path)
    assert look_at(path, path.read_bytes()).bands == 3
    path.with_name("a.jpg.msk").write_text("a mask")
    with pytest.raises(UnreadableImage, match=r"a\.jpg\.msk beside it"):
        look_at(path, path.read_bytes())
