"""Corpora: where they come from, and how their clips become batches."""
