"""The settings of a run, its presets, and what is said of wrong ones."""
