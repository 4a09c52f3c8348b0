"""Predictions of several arms to a verdict; arrays only."""
