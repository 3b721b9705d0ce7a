"""Sound in memory: sample rate, channels and level. Needs numpy only."""
