"""What augment and classifier share: files, seeds, images, the manifest, checkpoints, pages."""

__version__ = "0.1.0"
