"""Measuring: a launch, its cells, LoadGen around them. All that travels into an image that measures."""
