"""Where results live, how each is made once, and how machines share them."""
