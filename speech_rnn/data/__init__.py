"""Corpora: their sources, and how their clips become batches."""
