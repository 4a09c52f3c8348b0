"""The judge: train the same classifier with and without synthetic images and compare."""
