"""Flags become one choice, the choice a plan."""
