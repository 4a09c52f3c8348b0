"""Small valid files of every kind that is read from strangers, made here."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import tifffile
import torch
from PIL import Image

from augment.config import TrainingConfig
from augment.network.config import GeneratorConfig
from augment.train.data import TrainingData
from augment.train.spec import TrainingSpec
from augment.train.training import train_generator
from terrabalance.checkpoint import save_checkpoint
from terrabalance.images import write_png
from terrabalance.manifest import Manifest, frame_of, write_manifest
from terrabalance.marks import SYNTHETIC_KEY

_RGB = np.arange(3 * 9 * 8, dtype=np.uint8).reshape(9, 8, 3)
_TINY = GeneratorConfig(image_size=8, dim=8, dim_mults=(1,), timesteps=10)


def pillows(kind: str) -> list[bytes]:
    """Return small pictures of a format that Pillow writes."""
    images = [Image.fromarray(_RGB), Image.fromarray(_RGB[..., 0])]
    if kind == "PNG":
        images += [images[0].quantize(), Image.fromarray(_RGB[..., 0].astype(np.uint16) * 257)]
        images.append(Image.fromarray(np.dstack([_RGB, _RGB[..., :1]])))
    if kind == "JPEG":
        images.append(images[0].convert("CMYK"))
    return [_saved(image, kind) for image in images]


def _saved(image: Image.Image, kind: str) -> bytes:
    made = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6  # orientation
    image.save(made, kind, **({} if image.mode == "I;16" else {"exif": exif}))
    return made.getvalue()


def marked_png(folder: Path) -> bytes:
    """Return a PNG as terrabalance marks its own."""
    path = folder / "marked.png"
    write_png(path, _RGB.transpose(2, 0, 1), {SYNTHETIC_KEY: "true"})
    return path.read_bytes()


def tiffs() -> list[bytes]:
    """Return TIFFs of several bands, depths, layouts and codecs."""
    planes = np.arange(5 * 16 * 16).reshape(5, 16, 16)
    wants = [
        (planes[0].astype(np.uint16), {}),
        (planes[:3].astype(np.uint8), {"photometric": "rgb", "planarconfig": "separate"}),
        (planes.astype(np.uint16), {"planarconfig": "separate", "compression": "deflate"}),
        (planes[0].astype(np.float32), {"tile": (16, 16), "compression": "lzw"}),
        (_RGB, {"photometric": "rgb", "compression": "jpeg"}),
        (planes[0].astype(np.int16), {"byteorder": ">", "extratags": [(42113, 2, 0, "-1", True)]}),
        (planes[0].astype(np.uint8), {"bigtiff": True}),
    ]
    return [_tiff(pixels, **how) for pixels, how in wants]


def _tiff(pixels: np.ndarray, byteorder: str = "<", bigtiff: bool = False, **how: object) -> bytes:
    made = io.BytesIO()
    with tifffile.TiffWriter(made, byteorder=byteorder, bigtiff=bigtiff) as writer:
        writer.write(pixels, **how)
    return made.getvalue()


def archives(kind: str) -> list[bytes]:
    """Return a small archive: `zip`, or the mode of `tarfile` as `w:gz`."""
    picture, made = pillows("PNG")[0], io.BytesIO()
    names = ("d/A/1.png", "d/A/2.png", "d/B/1.png", "d/B/" + "n" * 120 + ".png")
    if kind == "zip":
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
            for name in names:
                opened.writestr(name, picture)
    else:
        with tarfile.open(fileobj=made, mode=kind) as opened:  # type: ignore[call-overload]
            for name in names:
                info = tarfile.TarInfo(name)
                info.size = len(picture)
                opened.addfile(info, io.BytesIO(picture))
    return [made.getvalue()]


def manifest(folder: Path) -> bytes:
    """Return the Parquet of a manifest."""
    rows: list[dict[str, object]] = [
        {"path": f"{name}/{n}.png", "class": name, "split": split, "source": "real", "status": "ok",
         "sha256": f"{n:064x}"}
        for name in ("A", "B") for n, split in enumerate(("train", "val", "test"))
    ]  # fmt: skip
    return write_manifest(Manifest(folder, frame_of(rows)), folder).read_bytes()


def checkpoint(folder: Path) -> bytes:
    """Return a checkpoint as trainings keep them."""
    state = torch.nn.Linear(3, 2).state_dict()
    parts = {"model": state, "losses": [1.0, 0.5], "name": "A", "rng": torch.get_rng_state()}
    return save_checkpoint(folder, 3, parts).read_bytes()


def generator(folder: Path) -> Path:
    """Train a generator of a few hundred weights for one step; return its folder."""
    images = np.zeros((8, 3, 8, 8), np.uint8)
    loop = TrainingConfig(steps=1, batch_size=2, evaluations=0, precision="fp32")
    spec = TrainingSpec("A", _TINY, loop, seed=0)
    return train_generator(TrainingData(images), spec, folder, [torch.device("cpu")])


TABLE = b"path,class,split,source,group\nA/1.png,A,train,real,g1\nB/1.png,B,test,real,\n"
TOML = b"""preset = "8gb"
seed = 3
device = "cpu"
plan = { target = "80%", rarest = 2, classes = ["A", "B"] }
generator = { image_size = 64, dim = 8, dim_mults = [1, 2], timesteps = 20 }
[training]
steps = 6
batch_size = 4
learning_rate = 1e-3
[sampling]
steps = 4
[classifier]
seeds = [0, 1]
arms = ["real", "synthetic"]
[split]
test = 0.2
"""
SETS = b"training.steps=20\nplan.target=median\nclassifier.seeds=[0, 1]\nscan.min_side_px=3\n"
LISTING = json.dumps({"a.png": "0" * 64, "b/c.json": "f" * 64}).encode()
REVIEWS = json.dumps(
    {"000001.png": {"review": "refuse", "reviewer": "me", "reviewed": "2026-01-01T00:00:00+00:00"}}
).encode()
