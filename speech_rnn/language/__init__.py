"""Language models: the probability of a word, or a character, given those before it."""
