"""From a trained generator to images."""
