"""A whole comparison: validation chooses, test is opened once."""
