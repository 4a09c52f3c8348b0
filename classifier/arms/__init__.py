"""The arms of a comparison, each composed of parts: a file a part, and the registry of all."""
