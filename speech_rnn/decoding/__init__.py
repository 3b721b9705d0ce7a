"""Decode log-probabilities to words."""
