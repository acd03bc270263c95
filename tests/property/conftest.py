"""Property tests draw the same examples each time, so that a failure is a change of the code."""

from hypothesis import settings

settings.register_profile("surgplan", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("surgplan")
