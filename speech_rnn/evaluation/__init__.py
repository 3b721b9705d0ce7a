"""A Recognizer against utterances: scoring, results, comparison, robustness, label errors, cost."""
