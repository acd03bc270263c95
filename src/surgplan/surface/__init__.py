"""From a label map to watertight surfaces."""
