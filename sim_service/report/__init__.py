"""Showing people what was collected."""
