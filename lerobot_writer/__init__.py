"""Standalone, crash-safe writer and checker of LeRobot v3.0 datasets (numpy, pyarrow, PyAV only)."""
