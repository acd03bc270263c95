"""Landmarks, fiducials and the transforms between frames."""
