"""Find out what is wrong with a recording or an installation, and what helps; without PyTorch."""
