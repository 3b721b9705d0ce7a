"""What is wrong with a recording or an installation, and what helps. Needs no torch."""
