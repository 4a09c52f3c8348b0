"""The catalogue: images found, checked, grouped by likeness and split."""
