"""From a folder of images to a balanced dataset: catalogue, plan, train, sample, assemble."""
