"""The images that classifiers see: reading, augmentation, order."""
