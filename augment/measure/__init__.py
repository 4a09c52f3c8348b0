"""Metrics of synthetic images against real ones, on features, pixels and spectra."""
