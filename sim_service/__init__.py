"""Owns the simulator and the job: adapters, collection, command line."""

__version__ = "0.1.0"
