"""How the nouns lie on disk: a pair read_x and write_x for each format."""
