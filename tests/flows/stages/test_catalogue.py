import shutil

import pytest

from flows.settings.config import RunConfig
from flows.stages.catalogue import make_catalogue
from terrabalance.errors import BadInput
from terrabalance.manifest import read_manifest
from terrabalance.manifest_csv import write_twin


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


def test_a_listing_that_is_given_back_as_data_makes_the_same_parts(scenes, tmp_path):
    data = shutil.copytree(scenes, tmp_path / "scenes")
    (data / "Forest" / "notes.txt").write_text("to do")
    (data / "River" / "broken.png").write_bytes(b"\x89PNG")
    shutil.copy(next((data / "Beach").iterdir()), data / "Beach" / "zz_copy.png")
    folder = make_catalogue(RunConfig(data=data, workdir=tmp_path))
    first = read_manifest(folder)
    write_twin(first.frame, tmp_path / "listing.csv")
    again = RunConfig(data=tmp_path / "listing.csv", images=data, workdir=tmp_path, seed=7)
    second = read_manifest(make_catalogue(again))
    parts = [m.usable().set_index("path")["split"].sort_index().to_dict() for m in (first, second)]
    assert parts[0] == parts[1] and set(parts[0].values()) == {"train", "val", "test"}
