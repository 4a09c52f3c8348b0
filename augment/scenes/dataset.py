"""Draw a scene, or a long-tailed dataset of them, for `make demo`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from augment.scenes.built import farmland, residential, storage_tanks
from augment.scenes.ground import Ground
from augment.scenes.light import draw_light, render
from augment.scenes.nature import beach, forest, river
from terrabalance.errors import BadInput
from terrabalance.files import write_text
from terrabalance.images import write_png
from terrabalance.progress import Progress, silent
from terrabalance.seeds import seed_for

DEMO_COUNTS: Mapping[str, int] = MappingProxyType({
    "Forest": 200, "Farmland": 160, "Residential": 130, "River": 100,
    "StorageTanks": 36, "Beach": 28,
})  # fmt: skip
_PAINTERS: Mapping[str, Callable[[Ground], None]] = {
    "Forest": forest, "Farmland": farmland, "Residential": residential, "River": river,
    "StorageTanks": storage_tanks, "Beach": beach,
}  # fmt: skip
_REDUCE = 3  # points a pixel and direction: soft edges
_NOTE = "Drawn by a program (terrabalance, augment.scenes): not a photograph of any place on Earth."
_README = """These images are drawn, not real.

{note}
They stand in for aerial photographs in the demonstration of terrabalance, so that it needs no
download. A number measured on them says that the program works, and nothing about aerial images.

One folder a class; <class>_<n>.png is drawn from (seed {seed}, class, n), {side_px} x {side_px}
pixels; the same numbers give the same picture. The PNG metadata of each file says this too.
"""


def draw_scene(class_name: str, seed: int, side_px: int) -> np.ndarray:
    """Draw one scene as if seen from above, the sun and the season drawn from `seed` too.

    Args:
        class_name: a key of `DEMO_COUNTS`.
        seed: any integer from 0; equal seeds give equal pixels on every machine.
        side_px: side of the square in pixels, 16 to 512. The layout does not depend on it.

    Returns:
        (3, side_px, side_px) uint8.

    Raises:
        BadInput: an unknown class, or a side out of range.
    """
    if class_name not in _PAINTERS:
        raise BadInput(f"cannot draw scenes of {class_name!r}; known are {sorted(_PAINTERS)}")
    if not 16 <= side_px <= 512:
        raise BadInput(f"a scene of {side_px} px cannot be drawn; use a side from 16 to 512 px")
    ground = Ground(np.random.Generator(np.random.PCG64(seed)), side_px * _REDUCE, (0.5, 0.5, 0.5))
    light = draw_light(ground)
    _PAINTERS[class_name](ground)
    ground.mottle(0.05, cells=20, octaves=1)  # what is too small to be drawn still shows
    return render(ground, light, _REDUCE)


def draw_dataset(
    folder: Path,
    counts: Mapping[str, int] = DEMO_COUNTS,
    side_px: int = 64,
    seed: int = 0,
    on_progress: Progress = silent,
) -> Path:
    """Write `folder/<Class>/<class>_<n>.png` and a README.txt; files already there stay.

    Image n of a class depends on (seed, class, n) only: not on the counts, nor on other classes.

    Returns:
        `folder`.

    Raises:
        BadInput: an unknown class, a side out of range, or a folder drawn with another seed or
            side.
    """
    note = _README.format(note=_NOTE, seed=seed, side_px=side_px)
    readme = folder / "README.txt"
    if readme.exists() and readme.read_text() != note:
        raise BadInput(
            f"{folder} holds a README.txt that differs from that of seed {seed}, {side_px} px. "
            "Delete the folder or name another."
        )
    write_text(readme, note)
    wanted = [(name, n) for name, count in counts.items() for n in range(count)]
    for done, (name, n) in enumerate(wanted, start=1):
        path = folder / name / f"{name.lower()}_{n:04d}.png"
        if not path.exists():
            _draw_file(path, name, seed_for(seed, "scene", name, n), side_px)
        on_progress(done, len(wanted), f"drawing {name}")
    return folder


def _draw_file(path: Path, class_name: str, seed: int, side_px: int) -> None:
    text = {
        "Software": "terrabalance",
        "Description": f"{_NOTE} Class {class_name}, seed {seed}.",
    }
    write_png(path, draw_scene(class_name, seed, side_px), text)
