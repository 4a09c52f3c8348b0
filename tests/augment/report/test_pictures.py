from pathlib import Path

import numpy as np

from augment.report.pictures import Pictures
from terrabalance.bands import RGB
from terrabalance.images import grid, write_png
from terrabalance.manifest import Manifest, frame_of


def test_a_strip_that_is_damaged_or_gone_is_named_and_left_out(
    tmp_path: Path, squares: np.ndarray, caplog
):
    strip = tmp_path / "strip.png"
    write_png(strip, grid(squares[:9], columns=9))
    pictures = Pictures(Manifest(tmp_path, frame_of([])), {"Pond": tmp_path}, 16, RGB, light=False)
    assert len(pictures.strip("Pond")) == 9
    strip.write_bytes(strip.read_bytes()[:60])
    for _ in ("damaged", "gone"):
        caplog.clear()
        assert pictures.strip("Pond") == []
        assert f"{strip}: " in caplog.text
        assert f"delete {strip} and its first image beside it, and run again" in caplog.text
        strip.unlink(missing_ok=True)
