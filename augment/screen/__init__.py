"""Which synthetic images are kept."""
