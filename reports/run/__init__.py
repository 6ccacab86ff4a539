"""A run directory as typed facts, sorted for telling, and the words for them."""
