"""SVG, from numbers and words alone."""
