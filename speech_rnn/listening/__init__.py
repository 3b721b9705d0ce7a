"""Where sound comes from as it arrives, and where words go."""
