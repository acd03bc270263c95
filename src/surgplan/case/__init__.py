"""Joins stages to files: recipe, manifest, runner."""
