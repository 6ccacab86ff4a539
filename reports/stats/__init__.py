"""Statistics: rounds, pairs, answers. They know numbers, no cells."""
