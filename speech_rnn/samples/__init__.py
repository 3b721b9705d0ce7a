"""Sound in memory: its rate, its channels and its level. Needs numpy alone."""
