"""Evaluate a Recognizer on utterances: scores, comparison, robustness, label errors and cost."""
