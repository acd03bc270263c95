"""surgplan: from CT and MRI scans to printable models and navigation data, with proof of accuracy."""

__version__ = "0.1.0"
