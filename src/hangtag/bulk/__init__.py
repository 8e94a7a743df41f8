"""Tagging whole catalogues: on one machine, or on many through Ray."""
