"""One training: an arm, a seed and a setting."""
