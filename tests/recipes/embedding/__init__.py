"""Tests of the parts of recipes/embedding."""
