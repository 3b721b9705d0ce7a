"""A word joins a Recognizer, or leaves it, without training: one row of its last layer."""
