"""Add a word to a Recognizer or remove one without training: only one output row changes."""
