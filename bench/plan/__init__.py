"""Planning: the matrix, its cells, how long they take. The host's alone; it travels into no image."""
