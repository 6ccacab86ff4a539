"""Where a launch runs: the protocol of an engine, and its kinds."""
