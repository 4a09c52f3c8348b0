"""A trained classifier for other programs: one network of timm, with a card."""
