"""Which series is meant, whether its geometry is sound, and what must be corrected or refused."""
