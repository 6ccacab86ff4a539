"""Flags become one choice, the choice a plan; the engines of a line, opened once, lie on a workbench."""
