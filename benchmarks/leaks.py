"""How many planted copies and scenes lie on both sides of a split, with groups and without.

    python benchmarks/leaks.py ../shared/aid ../shared/eurosat > docs/benchmarks/leaks.md

Each data set has a folder a class, of square images. Of 450 of them 45 are planted again: turned or
mirrored, saved in another format or size, under their own label or another's. Then 15 scenes are
cut into 16 tiles each, which are told apart by their names or by a georeference. All of it is
scanned and split by the defaults.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from PIL import Image

from augment.catalogue.config import ScanConfig, SplitConfig
from augment.catalogue.hashes import N_SYMMETRIES, turn
from augment.catalogue.scan import scan
from augment.catalogue.sources import open_source
from augment.catalogue.split import assign_splits
from terrabalance.manifest import Manifest

N_IMAGES, N_PLANTED = 450, 45
N_SCENES, TILES, TILE_PX = 15, 4, 64
Save = Callable[[Image.Image, Path], None]


def as_png(image: Image.Image, stem: Path) -> None:
    """Save without loss."""
    image.save(stem.with_suffix(".png"))


def as_jpeg(quality: int, scale: float = 1.0) -> Save:
    """Save with loss, reduced by a factor."""

    def save(image: Image.Image, stem: Path) -> None:
        size = (round(image.width * scale), round(image.height * scale))
        small = image if scale == 1 else image.resize(size, Image.Resampling.LANCZOS)
        small.save(stem.with_suffix(".jpg"), quality=quality)

    return save


KINDS: dict[str, Save] = {
    "without loss (PNG)": as_png,
    "JPEG, quality 90": as_jpeg(90),
    "JPEG, quality 75": as_jpeg(75),
    "JPEG, quality 50": as_jpeg(50),
    "two thirds of the side, JPEG, quality 90": as_jpeg(90, 2 / 3),
    "half of the side, JPEG, quality 90": as_jpeg(90, 0.5),
}


def plant(data: Path, folder: Path, save: Save, relabel: bool) -> list[tuple[str, str]]:
    """Copy images, and some of them again, turned; return the stems of originals and copies."""
    rng = np.random.default_rng(0)
    found = sorted(path for path in data.glob("*/*") if path.is_file())
    chosen = [found[place] for place in rng.choice(len(found), N_IMAGES, replace=False)]
    classes = sorted({path.parent.name for path in chosen})
    pairs = []
    for place, path in enumerate(chosen):
        own = folder / path.parent.name
        own.mkdir(parents=True, exist_ok=True)
        (own / path.name).write_bytes(path.read_bytes())
        if place < N_PLANTED:
            label = path.parent.name
            if relabel:
                label = classes[(classes.index(label) + 1) % len(classes)]
            (folder / label).mkdir(exist_ok=True)
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
            turned = turn(pixels, place % N_SYMMETRIES).transpose(1, 2, 0)
            stem = folder / label / f"copy-{place}"
            save(Image.fromarray(np.ascontiguousarray(turned)), stem)
            original = (own / path.name).relative_to(folder).as_posix()
            pairs.append((original, stem.relative_to(folder).as_posix()))
    return pairs


def split_of(folder: Path, config: ScanConfig) -> tuple[Manifest, pd.DataFrame]:
    """Scan and split; return the manifest before the split, and the rows after it, by path."""
    scanned = scan(open_source(folder, folder / "unpacked"), config)
    rows = assign_splits(scanned, SplitConfig(), 0).frame
    return scanned, rows.set_index(rows["path"].str.replace(r"(copy-\d+)\..*", r"\1", regex=True))


def ungrouped(manifest: Manifest) -> pd.DataFrame:
    """Split as if no image were like another; return the rows by path."""
    frame = manifest.frame.assign(group=-1, place=-1)
    frame.loc[frame["status"] == "near label conflict", "status"] = "ok"
    rows = assign_splits(Manifest(manifest.root, frame), SplitConfig(), 0).frame
    return rows.set_index(rows["path"].str.replace(r"(copy-\d+)\..*", r"\1", regex=True))


def on_both_sides(rows: pd.DataFrame, pairs: list[tuple[str, str]]) -> int:
    """Return how many copies are used in another part than their originals."""
    used = [rows.loc[list(pair)] for pair in pairs]
    return sum((pair["status"] == "ok").all() and pair["split"].nunique() > 1 for pair in used)


def with_both_labels(rows: pd.DataFrame, pairs: list[tuple[str, str]]) -> int:
    """Return how many copies are used under another label than their originals, which are too."""
    return sum(bool((rows.loc[list(pair), "status"] == "ok").all()) for pair in pairs)


def print_copies(data: Path) -> None:
    """Measure each kind of copy."""
    print(
        f"\n## Copies in {data.name}\n\n| copy | on both sides, of {N_PLANTED} | without groups "
        f"| used under two labels, of {N_PLANTED} | without groups |\n|---|---|---|---|---|"
    )
    for kind, save in KINDS.items():
        counts = []
        for relabel, count in ((False, on_both_sides), (True, with_both_labels)):
            with tempfile.TemporaryDirectory() as name:
                pairs = plant(data, Path(name), save, relabel)
                scanned, rows = split_of(Path(name), ScanConfig())
                counts += [count(rows, pairs), count(ungrouped(scanned), pairs)]
        print(f"| {kind} | {' | '.join(map(str, counts))} |", flush=True)


def cut_scenes(folder: Path, georeferenced: bool) -> None:
    """Write scenes of three classes as tiles; names tell the scene where no georeference does."""
    for scene in range(N_SCENES):
        coarse = np.random.default_rng(scene).integers(0, 255, (3, 24, 24), dtype=np.uint8)
        side = TILES * TILE_PX
        whole = [
            Image.fromarray(band).resize((side, side), Image.Resampling.BICUBIC) for band in coarse
        ]
        pixels = np.stack([np.asarray(band) for band in whole])
        label = folder / ("field", "forest", "town")[scene % 3]
        label.mkdir(parents=True, exist_ok=True)
        for tile in range(TILES**2):
            row, column = (TILE_PX * place for place in divmod(tile, TILES))
            name = f"{scene * TILES**2 + tile}" if georeferenced else f"scene{scene}_{tile}"
            place = {}
            if georeferenced:
                west, north = 10_000 * scene + 10 * column, 5_000_000 - 10 * row
                grid = rasterio.Affine(10, 0, west, 0, -10, north)
                place = {"crs": "EPSG:32632", "transform": grid}
            with rasterio.open(
                label / f"{name}.tif", "w", driver="GTiff", count=3, height=TILE_PX,
                width=TILE_PX, dtype="uint8", photometric="rgb", **place,
            ) as file:  # fmt: skip
                file.write(pixels[:, row : row + TILE_PX, column : column + TILE_PX])


def print_scenes() -> None:
    """Measure both ways to know the tiles of a scene."""
    print(
        f"\n## Scenes\n\n| tiles of a scene are known by | scenes on both sides, of {N_SCENES} "
        "| without groups |\n|---|---|---|"
    )
    ways = {
        "`--group-by '(scene\\d+)_'`": (False, ScanConfig(group_by=r"(scene\d+)_")),
        "their georeference": (True, ScanConfig()),
    }
    for way, (georeferenced, config) in ways.items():
        with tempfile.TemporaryDirectory() as name:
            cut_scenes(Path(name), georeferenced)
            scanned, rows = split_of(Path(name), config)
            numbers = rows["path"].str.extract(r"(\d+)")[0].astype(int)
            scene = numbers // TILES**2 if georeferenced else numbers
            counts = [
                int((each["split"].groupby(scene).nunique() > 1).sum())
                for each in (rows, ungrouped(scanned))
            ]
        print(f"| {way} | {' | '.join(map(str, counts))} |", flush=True)


def main() -> None:
    """Measure, and print the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    given = parser.parse_args()
    print(
        "# What leaks through a split\n\nBy `benchmarks/leaks.py`: copies planted among "
        f"{N_IMAGES} images of a data set, turned or\nmirrored, and scenes cut into {TILES**2} "
        "tiles each; scanned and split by the defaults, and split\n"
        "as if no image were another's copy."
    )
    for data in given.data:
        print_copies(data)
    print_scenes()


if __name__ == "__main__":
    main()
