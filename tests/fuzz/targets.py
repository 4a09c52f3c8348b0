"""What reads files of strangers: each with valid files, a way to change them, and the reading."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import pandas as pd
import torch

from augment.catalogue.look import look_at
from augment.catalogue.sources import open_source
from augment.catalogue.tables import read_table
from augment.network.generator import load_generator
from augment.screen.reviews import read_reviews, review_columns
from classifier.config import ClassifierConfig
from classifier.network.model import build_model
from flows.settings.config import build_config
from flows.store.listings import read_listing
from flows.store.remote import Remote
from terrabalance.checkpoint import load_newest
from terrabalance.errors import TerrabalanceError
from terrabalance.files import read_json
from terrabalance.finished import mark_done
from terrabalance.images import read_patch
from terrabalance.manifest import read_manifest
from terrabalance.marks import read_marks, read_source_type
from terrabalance.rasters.decode import decode

from . import mutate, rezip, seeds

Read = Callable[[Path], object]  # takes a folder of its own that holds `input<suffix>`
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        suffix: of the input's name.
        seeds: makes valid inputs, given an empty folder.
        mutate: changes one.
        read: reads the input of a folder.
    """

    suffix: str
    seeds: Callable[[Path], Sequence[bytes]]
    mutate: mutate.Mutate
    read: Read

    def input_in(self, folder: Path) -> Path:
        return folder / f"input{self.suffix}"


def every(*reads: Callable[[], object]) -> None:
    """Read in several ways; that one refuses does not spare the others."""
    refused: TerrabalanceError | None = None
    for read in reads:
        try:
            read()
        except TerrabalanceError as error:
            refused = error
    if refused is not None:
        raise refused


def _image(suffix: str, folder: Path) -> None:
    path = folder / f"input{suffix}"
    every(
        partial(decode, path),
        partial(look_at, path, path.read_bytes()),
        partial(read_patch, path, 16),
        partial(read_marks, path),
        partial(read_source_type, path),
    )


def _archive(suffix: str, folder: Path) -> None:
    open_source(folder / f"input{suffix}", folder / "unpacked")


def _manifest(folder: Path) -> None:
    manifest = read_manifest(folder / "input.parquet")
    every(*(partial(manifest.usable, split) for split in ("train", None)))
    manifest.paths(manifest.usable())


def _settings(folder: Path) -> None:
    build_config(folder, folder / "input.toml", [], {})


def _sets(folder: Path) -> None:
    lines = (folder / "input.txt").read_text(errors="replace").split("\n")
    build_config(folder, None, [line for line in lines if line], {})


def _table(folder: Path) -> None:
    for name in ("A/1.png", "B/1.png"):
        (folder / name).parent.mkdir()
        (folder / name).touch()
    read_table(folder / "input.csv", None)


def _checkpoint(folder: Path) -> None:
    (folder / "step_0000003.pt").write_bytes((folder / "input.pt").read_bytes())
    load_newest(folder)


def _generator(damaged: str, whole: Path, folder: Path) -> None:
    """Load a generator of which one file is the input; its mark says so, or hashes refused it."""
    target = folder / "generator"
    shutil.copytree(whole, target)
    mark_done(target, {})
    shutil.copy(next(folder.glob("input.*")), target / damaged)
    load_generator(target, "A", CPU)


def _weights(folder: Path) -> None:
    given = next(folder.glob("input.*"))
    build_model(ClassifierConfig(model="test_resnet", pretrained=False, weights=given), 2)


def _listing(folder: Path) -> None:
    store = Remote("memory://fuzz")
    store.write("listing.json", (folder / "input.json").read_bytes())
    read_listing(store, "listing.json")


def _reviews(folder: Path) -> None:
    (folder / "reviews.json").write_bytes((folder / "input.json").read_bytes())
    review_columns(pd.Series(["000001.png", "000002.png"]), read_reviews(folder))


def _resnet(folder: Path) -> bytes:
    from safetensors.torch import save

    network = build_model(ClassifierConfig(model="test_resnet", pretrained=False), 2)
    return save(network.state_dict())


def _pictures(kind: str, suffix: str, change: mutate.Mutate) -> Target:
    return Target(suffix, lambda _: seeds.pillows(kind), change, partial(_image, suffix))


def _packed(kind: str, suffix: str, change: mutate.Mutate) -> Target:
    return Target(suffix, lambda _: seeds.archives(kind), change, partial(_archive, suffix))


def targets(home: Path) -> dict[str, Target]:
    """Return every target by name; what takes long to make is made once, in an empty folder."""
    whole = seeds.generator(home / "generator")

    def of_generator(name: str, change: mutate.Mutate) -> Target:
        content = read_json(whole / name) if name.endswith(".json") else None
        if name == "done.json":  # the card has times, and another process has made another
            del content["files"]["card.json"]
        valid = (whole / name).read_bytes() if content is None else json.dumps(content).encode()
        suffix = Path(name).suffix
        return Target(suffix, lambda _: [valid], change, partial(_generator, name, whole))

    return {
        "png": Target(
            ".png",
            lambda folder: [*seeds.pillows("PNG"), seeds.marked_png(folder)],
            mutate.png,
            partial(_image, ".png"),
        ),
        "jpeg": _pictures("JPEG", ".jpg", mutate.framed(2, 2)),
        "webp": _pictures("WebP", ".webp", mutate.framed(12, 0)),
        "tiff": Target(".tif", lambda _: seeds.tiffs(), mutate.tiff, partial(_image, ".tif")),
        "zip": _packed("zip", ".zip", rezip.members),
        "tar": _packed("w", ".tar", mutate.tar),
        "tar.gz": _packed("w:gz", ".tar.gz", rezip.tar_inside("gz")),
        "tar.xz": _packed("w:xz", ".tar.xz", rezip.tar_inside("xz")),
        "tar.bz2": _packed("w:bz2", ".tar.bz2", rezip.tar_inside("bz2")),
        "manifest": Target(".parquet", lambda f: [seeds.manifest(f)], mutate.parquet, _manifest),
        "settings": Target(".toml", lambda _: [seeds.TOML], mutate.text, _settings),
        "sets": Target(".txt", lambda _: [seeds.SETS], mutate.text, _sets),
        "table": Target(".csv", lambda _: [seeds.TABLE], mutate.text, _table),
        "checkpoint": Target(".pt", lambda f: [seeds.checkpoint(f)], rezip.members, _checkpoint),
        "generator weights": of_generator("generator.safetensors", mutate.safetensors),
        "generator card": of_generator("card.json", mutate.json_tree),
        "generator done": of_generator("done.json", mutate.json_tree),
        "classifier weights": Target(
            ".safetensors", lambda f: [_resnet(f)], mutate.safetensors, _weights
        ),
        "listing": Target(".json", lambda _: [seeds.LISTING], mutate.json_tree, _listing),
        "reviews": Target(".json", lambda _: [seeds.REVIEWS], mutate.json_tree, _reviews),
    }  # fmt: skip


def case(valid: Sequence[bytes], target: Target, draw: Random) -> bytes:
    """Return a changed input; one in fifty is valid, which must be read."""
    chosen = draw.choice(valid)
    return chosen if draw.random() < 0.02 else target.mutate(chosen, draw)
