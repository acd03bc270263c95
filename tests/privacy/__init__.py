"""Tests of `surgplan.privacy`."""
