"""The balanced dataset: folders, card, verification."""
