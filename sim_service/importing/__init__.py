"""Makes a dataset of what other tools recorded."""
