"""Owns the simulator and the job: adapters, collection, command line."""
