"""Corpora in tar archives (shards) that are read in sequence, in WebDataset's naming."""
