"""How near images come to real ones: metrics on features, pixels and spectra."""
