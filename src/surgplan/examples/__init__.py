"""Scans with known truth, made from analytic shapes."""
