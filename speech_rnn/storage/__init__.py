"""Files that are no sounds: whole when they are written, one clear error when they are read."""
