import os
from pathlib import Path

import pytest

from augment.catalogue.entries import Entry, Source
from flows.settings.config import RunConfig
from flows.store import names
from flows.store.names import Names, catalogue_folder
from terrabalance.bands import RGB
from terrabalance.manifest import Manifest, frame_of

# By the code of before files beside images counted.
FORMER = {"catalogue": "raw-208828554c03", "base": "base-ece2622e36ba", "Pond": "Pond-409c9c89e954"}


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


def test_generators_made_before_are_found_again(config):
    rows = [
        {"path": f"{name}/{n}.png", "class": name, "split": split, "source": "real", "status": "ok",
         "sha256": f"{n}" * 64}
        for name in ("Pond", "Lake")
        for n, split in enumerate(("train", "train", "val"))
    ]  # fmt: skip
    found = Names(config, Manifest(Path("raw"), frame_of(rows)), RGB)
    assert found.base is not None and found.base.name == FORMER["base"]
    assert found.generator("Pond").name == FORMER["Pond"]
