"""Trains one classifier with and without synthetic images, and compares the results."""
