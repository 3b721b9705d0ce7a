"""The configuration. This is the only folder that uses Hydra."""
