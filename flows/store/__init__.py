"""Where results live, who may make them, and how machines share them."""
