"""From surfaces to what a printer takes."""
