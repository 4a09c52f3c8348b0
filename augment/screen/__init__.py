"""Screening: which synthetic images are used, by rules whose limits real images set."""
