"""Tasks and motion: what an episode is. Knows no simulator library and no HTTP."""
