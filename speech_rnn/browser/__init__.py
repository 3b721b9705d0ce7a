"""The page that recognises in a browser: its files, the recogniser for it, and its runtime."""
