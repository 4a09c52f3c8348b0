"""From a folder, an archive or a CSV to the rows of all images."""
