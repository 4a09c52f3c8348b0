"""What the system does not let be read is no damaged file: the scan ends, and nothing is kept."""

import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from users import needs_a_user, needs_proc, run_as_user

from augment.catalogue.config import ScanConfig
from augment.catalogue.entries import Entry, Source
from augment.catalogue.scan import scan
from terrabalance.marks import is_marked_synthetic, read_source_type
from terrabalance.rasters.decode import decode

_SCAN = """
import sys
from pathlib import Path
from augment.catalogue.config import ScanConfig
from augment.catalogue.scan import scan
from augment.catalogue.sources import open_source
from terrabalance.errors import SystemRefused
folder = Path(sys.argv[1])
try:
    print(scan(open_source(folder, folder / "x"), ScanConfig()).frame["status"].tolist())
except SystemRefused as error:
    print(type(error.__cause__).__name__, error)
"""


def scanned_as_user(folder: Path) -> str:
    return run_as_user(_SCAN, folder)


@pytest.fixture
def data(tmp_path) -> Path:
    for seed, name in enumerate(("Park/a.png", "Park/b.tif", "Pond/c.jpg", "Pond/d.webp")):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return tmp_path / "data"


@needs_a_user
def test_files_without_permission_end_the_scan_named_and_counted_and_are_read_once_they_may(data):
    files = sorted(path for path in data.rglob("*.*"))
    for path in files:
        path.chmod(0)
    said = scanned_as_user(data)
    assert said.startswith(f"PermissionError {data}: no permission to read 4 of 4 files: ")
    assert all(str(path) in said for path in files[:3]) and "and 1 more" in said
    assert "chmod u+r FILE" in said
    for path in files:  # what the remedy says
        path.chmod(0o400)
    assert scanned_as_user(data) == "['ok', 'ok', 'ok', 'ok']\n"


@needs_a_user
def test_one_file_or_link_that_may_not_be_followed_ends_the_scan_too(data):
    hidden = data / ".hidden"
    hidden.mkdir()
    (data / "Park" / "a.png").rename(hidden / "a.png")
    (data / "Park" / "a.png").symlink_to(hidden / "a.png")
    hidden.chmod(0)
    try:
        assert "no permission to read 1 of 4 files" in scanned_as_user(data)
    finally:
        hidden.chmod(0o700)


@needs_a_user
def test_what_lies_beside_an_image_and_may_not_be_read_ends_the_scan_too(data):
    beside = data / "Pond" / "c.jpg.aux.xml"
    beside.write_text("<PAMDataset/>")
    beside.chmod(0)
    assert f"1 of 4 files: {beside}" in scanned_as_user(data)


@needs_proc
def test_a_disk_that_fails_ends_the_scan_with_the_name_of_the_file():
    with pytest.raises(OSError) as refused:
        scan(Source(Path("/proc/self"), [Entry("mem", "A")]), ScanConfig())
    assert refused.value.errno == errno.EIO and refused.value.filename == "/proc/self/mem"


@needs_proc
@pytest.mark.parametrize(
    ("read", "name"),
    [
        (decode, "a.png"), (decode, "a.jpg"), (decode, "a.tif"), (decode, "a.webp"),
        (is_marked_synthetic, "a.png"), (read_source_type, "a.png"),
    ],
)  # fmt: skip
def test_a_file_that_the_disk_fails_to_give_is_never_called_damaged(read, name, tmp_path):
    (tmp_path / name).symlink_to("/proc/self/mem")
    with pytest.raises(OSError) as refused:
        read(tmp_path / name)
    assert refused.value.errno == errno.EIO and refused.value.filename == str(tmp_path / name)
