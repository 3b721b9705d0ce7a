"""Show results: tables on the terminal, HTML pages and pictures."""
