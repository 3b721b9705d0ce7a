"""Language models: how probable a word, or a character, is after those before it."""
