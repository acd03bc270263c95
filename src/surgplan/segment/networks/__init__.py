"""Networks on any scan: brought to the network's grid, run patch by patch, and back."""
