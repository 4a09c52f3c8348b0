"""The images that classifiers see: reading, checks, augmentation."""
