"""Drawn scenes that look like small aerial photographs; every file says that it is drawn."""

from augment.scenes.dataset import DEMO_COUNTS, draw_dataset, draw_scene

__all__ = ["DEMO_COUNTS", "draw_dataset", "draw_scene"]
