import os
from pathlib import Path

import pytest

from augment.catalogue.entries import Entry, Source
from augment.plan import ClassPlan
from flows.settings.config import RunConfig
from flows.store import names
from flows.store.names import Names, catalogue_folder
from terrabalance.bands import RGB
from terrabalance.manifest import Manifest, frame_of

# By the code of before files beside images counted.
FORMER = {"catalogue": "raw-208828554c03", "base": "base-ece2622e36ba", "Pond": "Pond-409c9c89e954"}
# Of screened images, by validation images of three classes; by the code of before small classes
# shared the folds, by which limits of these are as today.
SCREENED = {
    (20, 5, 5): "Pond-a308c1d5749c",
    (20, 4, 5): "Pond-238df66cb9ff",
    (7, 4, 1): "Pond-09b4d1100fba",
}
FOLDS_APART = "Pond-f0740ee5f963"  # of 20, 4 and 1
UNSCREENED = "Pond-e415a93c9ebd"  # of the same


@pytest.fixture
def config(monkeypatch) -> RunConfig:
    monkeypatch.setattr(names, "FORMAT", 10)  # a higher one gives all results other names
    return RunConfig(data=Path("raw"), workdir=Path("work"))


def test_a_catalogue_made_before_is_found_again(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entries = [Entry("Pond/1.png", "Pond"), Entry("Lake/1.jp2", "Lake", "train", "real", "east")]
    for entry in entries:
        path = tmp_path / "raw" / entry.path
        path.parent.mkdir(parents=True)
        path.write_bytes(b"image")
        os.utime(path, ns=(10**18, 10**18))
    assert catalogue_folder(config, Source(Path("raw"), entries)).name == FORMER["catalogue"]


@pytest.fixture
def catalogue() -> Manifest:
    rows = [
        {"path": f"{name}/{n}.png", "class": name, "split": split, "source": "real", "status": "ok",
         "sha256": f"{n}" * 64}
        for name in ("Pond", "Lake")
        for n, split in enumerate(("train", "train", "val"))
    ]  # fmt: skip
    return Manifest(Path("raw"), frame_of(rows))


def test_generators_made_before_are_found_again(config, catalogue):
    found = Names(config, catalogue, RGB)
    assert found.base is not None and found.base.name == FORMER["base"]
    assert found.generator("Pond").name == FORMER["Pond"]


def synthetic(config: RunConfig, **n_val: int) -> str:
    """The folder of the images of Pond, with nine training images of each class."""
    rows = [
        {"path": f"{name}/{split}{n}.png", "class": name, "split": split, "source": "real",
         "status": "ok", "sha256": f"{n}" * 64}
        for name, count in n_val.items()
        for split, many in (("train", 9), ("val", count))
        for n in range(many)
    ]  # fmt: skip
    plan = ClassPlan("Pond", n_train=9, n_target=14, n_needed=5, capped=False)
    return Names(config, Manifest(Path("raw"), frame_of(rows)), RGB).synthetic(plan).name


def test_synthetic_images_are_found_again_where_their_limits_are_set_as_before(config):
    for counts, former in SCREENED.items():
        assert (
            synthetic(config, **dict(zip(("Pond", "Lake", "Bog"), counts, strict=True))) == former
        )
    unscreened = config.model_copy(
        update={"screening": config.screening.model_copy(update={"enabled": False})}
    )
    assert synthetic(unscreened, Pond=20, Lake=4, Bog=1) == UNSCREENED


def test_synthetic_images_are_made_anew_where_small_classes_now_share_the_folds(config):
    assert synthetic(config, Pond=20, Lake=4, Bog=1) != FOLDS_APART


def test_a_base_is_named_by_its_unlabelled_images_and_not_by_where_they_lie(config, catalogue):
    def base_of(sha256: str, **said: str) -> str:
        base = {"images": "tiles", **said}
        ours = RunConfig(data=config.data, workdir=config.workdir, base=base)
        row = {"path": "1.png", "class": "unlabelled", "status": "ok", "sha256": sha256 * 64}
        more = Manifest(Path("tiles"), frame_of([row]))
        found = Names(ours, catalogue, RGB, unlabelled=more).base
        assert found is not None
        return found.name

    names = base_of("a"), base_of("b"), base_of("a", images="elsewhere", licence="CC0")
    assert names[0] == names[2] != names[1] and FORMER["base"] not in names
