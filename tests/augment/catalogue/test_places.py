import logging
from pathlib import Path

import numpy as np
import pytest
import tifffile

from augment.catalogue import places
from augment.catalogue.config import ScanConfig
from augment.catalogue.places import find_places, place_labels
from augment.catalogue.scan import scan
from augment.catalogue.sources import open_source
from terrabalance.manifest import frame_of
from terrabalance.rasters.raster import Footprint


def footprints(boxes, crs="EPSG:32632"):
    return [Footprint(crs, *map(float, box)) for box in boxes]


def labels_of(*boxes, distance=0.0):
    return place_labels(footprints(boxes), distance).tolist()


def brute_force(boxes, distance):
    """Labels of the boxes whose gap, taken for every pair, is at most `distance`."""
    labels = np.arange(len(boxes))
    for one in range(len(boxes)):
        for other in range(one):
            a, b = boxes[one], boxes[other]
            across, up = max(0, a[0] - b[2], b[0] - a[2]), max(0, a[1] - b[3], b[1] - a[3])
            if np.hypot(across, up) <= distance:
                labels[labels == labels[one]] = labels[other]
    return labels


@pytest.mark.parametrize("distance", [0, 0.5, 3])
@pytest.mark.parametrize("kind", ["equal", "grid", "uneven", "points"])
def test_places_equal_those_of_brute_force(kind, distance, monkeypatch):
    monkeypatch.setattr(places, "_CANDIDATES", 50)
    rng = np.random.default_rng(3)
    for n in (1, 2, 40, 150):
        corners = rng.uniform(0, 100, (n, 2))
        sides = {"equal": np.full((n, 2), 4), "uneven": rng.exponential(4, (n, 2)),
                 "grid": np.full((n, 2), 10), "points": np.zeros((n, 2))}[kind]  # fmt: skip
        corners = (corners // 10) * 10 if kind == "grid" else corners
        boxes = np.hstack([corners, corners + sides])
        ours, wanted = place_labels(footprints(boxes), distance), brute_force(boxes, distance)
        assert np.array_equal(ours[:, None] == ours, wanted[:, None] == wanted)


def test_tiles_that_touch_at_an_edge_or_a_corner_lie_together():
    assert labels_of((0, 0, 1, 1), (1, 0, 2, 1)) == [0, 0]
    assert labels_of((0, 0, 1, 1), (1, 1, 2, 2)) == [0, 0]
    assert labels_of((0, 0, 1, 1), (1.001, 0, 2, 1)) == [0, 1]


def test_neighbours_in_degrees_touch_whatever_their_coordinates_were_rounded_to():
    step = 64 * 8.983152841195215e-05
    edges = 7.1 + step * np.arange(100)
    assert set(labels_of(*((edge, 50, edge + step, 50 + step) for edge in edges))) == {0}


def test_a_distance_is_measured_between_edges_and_across_corners():
    assert labels_of((0, 0, 1, 1), (4, 0, 5, 1), distance=3) == [0, 0]
    assert labels_of((0, 0, 1, 1), (4, 5, 5, 6), distance=5) == [0, 0]
    assert labels_of((0, 0, 1, 1), (4, 5, 5, 6), distance=4.9) == [0, 1]


def test_the_same_coordinates_in_another_crs_are_another_place():
    box = [(0, 0, 1, 1)]
    both = footprints(box, "EPSG:32632") + footprints(box, "EPSG:32633")
    assert len(set(place_labels(both, 0).tolist())) == 2


def test_a_footprint_whose_rows_run_upwards_covers_the_same_ground():
    assert labels_of((0, 1, 1, 0), (0.5, 0.2, 2, 0.8)) == [0, 0]


def test_usable_images_of_one_place_share_a_number_and_the_log_says_how_many(caplog):
    frame = frame_of([{"path": f"P/{i}", "class": "P", "status": "ok"} for i in range(6)])
    frame.loc[1, "status"] = "duplicate"
    found = footprints([(9, 9, 10, 10), (0, 0, 1, 1), (5, 5, 6, 6), (9, 8, 10, 9), (0, 0, 1, 1)])
    with caplog.at_level(logging.INFO):
        frame = find_places(frame, [*found, None], 0)
    assert frame["place"].tolist() == [0, -1, -1, 0, -1, -1]
    assert (
        "4 of 5 usable images have a footprint; they show 3 places, the largest in 2" in caplog.text
    )


def test_places_can_be_switched_off():
    frame = frame_of([{"path": f"P/{i}", "class": "P", "status": "ok"} for i in range(2)])
    found = find_places(frame, footprints([(0, 0, 1, 1)] * 2), None)
    assert found["place"].tolist() == [-1, -1]


def test_a_mosaic_of_many_tiles_is_one_place():
    grid = np.stack(np.meshgrid(np.arange(100), np.arange(100)), -1).reshape(-1, 2) * 640.0
    assert set(place_labels(footprints(np.hstack([grid, grid + 640])), 0).tolist()) == {0}
    apart = place_labels(footprints(np.hstack([grid, grid + 600])), 39.9)
    assert len(np.unique(apart)) == 10_000


NAN, INF = float("nan"), float("inf")


def write_tile(path: Path, seed: int, corner: tuple[float, float], pixel: float = 1.0) -> None:
    """Write a GeoTIFF of 32 px with its upper left corner there, in EPSG:32632."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32632)
    tags = [
        (33550, "d", 3, (pixel, pixel, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, *corner, 0.0), True),
        (34735, "H", 16, keys, True),
    ]
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8), np.uint8)
    tifffile.imwrite(path, np.kron(coarse, np.ones((4, 4), np.uint8)), extratags=tags)


@pytest.mark.parametrize(
    "corner, pixel",
    [
        ((NAN, NAN), 1),
        ((INF, 0), 1),
        ((0, 1e300), 1),
        ((500_000, 5e6), NAN),
        ((0, 0), INF),
        ((0, 0), 1e15),
        ((500_000, 5e6), 0),
        ((500_000, 5e6), 1e-300),
    ],
)
def test_a_damaged_georeference_leaves_the_places_of_all_others_as_they_are(
    tmp_path, corner, pixel
):
    for place in range(12):  # pairs that touch
        corner_of = (500_000 + 1000 * (place // 2) + 32 * (place % 2), 5e6)
        write_tile(tmp_path / "Pond" / f"{place:02}.tif", place, corner_of)
    write_tile(tmp_path / "Pond" / "odd.tif", 99, corner, pixel)
    frame = scan(open_source(tmp_path, tmp_path / "x"), ScanConfig()).frame
    assert frame["status"].eq("ok").all()
    assert frame["place"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, -1]
