"""Draw the README's picture: drawn scenes above synthetic ones, none of them picked by hand.

    terrabalance run data/scenes --name scenes --preset cpu --classes Beach,StorageTanks \
        --target 80 --set drawn=true --set strategy=scratch --set training.steps=3000 \
        --set training.learning_rate=2e-3 --set training.learning_rate_schedule=constant \
        --set training.ema_decay=0.999 --set sampling.sampler=ddim --set sampling.steps=50
    python benchmarks/readme_picture.py data/datasets/scenes docs/demo.png

Shown are the first images of the train part and the synthetic ones with the first seeds, all at
the generator's 32 px. Training took about ten minutes a class on two cores.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from terrabalance.images import grid, read_patches, to_pil, write_png

CLASSES = {"Beach": "Beach", "StorageTanks": "Storage tanks"}
COLUMNS, SIDE_PX, SCALE, MARGIN_PX, LABEL_PX = 9, 32, 3, 12, 128


def tile(folder: Path) -> Image.Image:
    """Return a row of training images above a row of synthetic ones, `SCALE` times their size."""
    files = sorted(folder.glob("*.png"))
    synthetic = [path for path in files if path.name.startswith("synthetic_")]
    real = [path for path in files if path not in synthetic]
    squares = read_patches(real[:COLUMNS] + synthetic[:COLUMNS], SIDE_PX)
    large = squares.repeat(SCALE, axis=2).repeat(SCALE, axis=3)
    return to_pil(grid(large, COLUMNS, gap_px=4))


def main(dataset: Path, out: Path) -> None:
    """Stack the classes with their labels and write `out`."""
    tiles = {label: tile(dataset / "train" / name) for name, label in CLASSES.items()}
    width, height = next(iter(tiles.values())).size
    size = (width + LABEL_PX + 2 * MARGIN_PX, (height + MARGIN_PX) * len(tiles) + MARGIN_PX)
    page = Image.new("RGB", size, "white")
    draw, bold, small = ImageDraw.Draw(page), ImageFont.load_default(16), ImageFont.load_default(13)
    for index, (label, picture) in enumerate(tiles.items()):
        top = MARGIN_PX + index * (height + MARGIN_PX)
        page.paste(picture, (LABEL_PX + MARGIN_PX, top))
        for line, word in enumerate(("training", "synthetic")):
            middle = top + height * (2 * line + 1) // 4
            draw.text((MARGIN_PX, middle - 16), label, "#24292f", bold)
            draw.text((MARGIN_PX, middle + 4), word, "#57606a", small)
    write_png(out, np.asarray(page).transpose(2, 0, 1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
