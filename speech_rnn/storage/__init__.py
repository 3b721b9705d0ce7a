"""Files other than sounds: written atomically, and read with one clear error."""
