"""The configuration: the only folder that knows Hydra."""
