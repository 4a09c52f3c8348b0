"""Rasters as they are in their files: values, valid pixels, alpha, scaling, place."""
