"""From images to a trained generator."""
