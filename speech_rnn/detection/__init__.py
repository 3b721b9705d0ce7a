"""Evaluate detection in hours of labelled sound: streams, matching, DET curve, thresholds."""
