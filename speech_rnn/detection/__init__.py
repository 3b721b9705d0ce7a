"""Hours of sound against labels: long streams, matching, the DET curve, thresholds."""
