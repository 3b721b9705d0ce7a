"""One HTML file that shows what a run has reached."""
