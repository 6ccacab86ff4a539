"""Artifacts: made in the prepare image, fetched, carried from machine to machine."""
