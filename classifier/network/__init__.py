"""Classifiers, and the features of pretrained ones."""
