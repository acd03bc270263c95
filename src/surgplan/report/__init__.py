"""What a surgeon reads: pictures and one page."""
