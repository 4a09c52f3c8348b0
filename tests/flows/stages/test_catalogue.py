import shutil

import pytest

from flows.settings.config import RunConfig
from flows.stages.catalogue import make_catalogue
from terrabalance.errors import BadInput
from terrabalance.manifest import read_manifest


@pytest.fixture
def archive(scenes, tmp_path):
    return shutil.make_archive(str(tmp_path / "scenes"), "zip", scenes)


def test_an_unpacked_archive_that_lost_images_gives_the_same_catalogue(archive, tiny, tmp_path):
    config = RunConfig(data=archive, workdir=tmp_path, **tiny)
    folder = make_catalogue(config)
    before = read_manifest(folder)
    for path in before.frame["path"].iloc[[0, -1]]:
        (before.root / path).unlink()
    assert make_catalogue(config) == folder
    assert all((before.root / path).is_file() for path in before.frame["path"])


def test_a_class_too_small_is_refused_by_the_name_of_the_archive(scenes, tiny, tmp_path):
    data = tmp_path / "scenes"
    shutil.copytree(scenes, data)
    for image in sorted((data / "Beach").iterdir())[2:]:
        image.unlink()
    archive = shutil.make_archive(str(tmp_path / "small"), "tar", data)
    with pytest.raises(BadInput) as caught:
        make_catalogue(RunConfig(data=archive, workdir=tmp_path / "w", **tiny))
    said = str(caught.value)
    assert said.startswith(f"{archive}: too small") and "extracted" not in said
    assert "Unpack the archive to do so" in said and "CSV" not in said
