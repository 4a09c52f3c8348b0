"""Draw the README's picture: real images above synthetic ones, none of them picked by hand.

    terrabalance run ../shared/eurosat-lt100-a.csv --name eurosat --preset cpu --target 200
    python benchmarks/readme_picture.py data/datasets/eurosat docs/demo.png River Residential

Shown are the first images of the train part and the synthetic ones with the first seeds, all at
the generator's 64 px. The data is EuroSAT (Helber et al., 2019; MIT licence), of whose rivers 10
are left in the train part, and of whose residential areas 17.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from terrabalance.images import grid, read_patches, to_pil, write_png

COLUMNS, SIDE_PX, SCALE, MARGIN_PX, LABEL_PX = 7, 64, 2, 12, 104


def tile(folder: Path) -> Image.Image:
    """Return a row of training images above a row of synthetic ones, `SCALE` times their size."""
    files = sorted(folder.glob("*.png")) + sorted(folder.glob("*.jpg"))
    synthetic = [path for path in files if path.name.startswith("synthetic_")]
    real = [path for path in files if path not in synthetic]
    squares = read_patches(real[:COLUMNS] + synthetic[:COLUMNS], SIDE_PX)
    large = squares.repeat(SCALE, axis=2).repeat(SCALE, axis=3)
    return to_pil(grid(large, COLUMNS, gap_px=4))


def main(dataset: Path, out: Path, classes: list[str]) -> None:
    """Stack the classes with their labels and write `out`."""
    tiles = {name: tile(dataset / "train" / name) for name in classes}
    width, height = next(iter(tiles.values())).size
    size = (width + LABEL_PX + 2 * MARGIN_PX, (height + MARGIN_PX) * len(tiles) + MARGIN_PX)
    page = Image.new("RGB", size, "white")
    draw, bold, small = ImageDraw.Draw(page), ImageFont.load_default(16), ImageFont.load_default(13)
    for index, (name, picture) in enumerate(tiles.items()):
        top = MARGIN_PX + index * (height + MARGIN_PX)
        page.paste(picture, (LABEL_PX + MARGIN_PX, top))
        for line, word in enumerate(("training", "synthetic")):
            middle = top + height * (2 * line + 1) // 4
            draw.text((MARGIN_PX, middle - 16), name, "#24292f", bold)
            draw.text((MARGIN_PX, middle + 4), word, "#57606a", small)
    write_png(out, np.asarray(page).transpose(2, 0, 1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
