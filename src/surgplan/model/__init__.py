"""The nouns: valid from birth and frozen. World coordinates are LPS millimetres."""
