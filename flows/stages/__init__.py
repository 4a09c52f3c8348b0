"""The stages of a run as plain functions."""
