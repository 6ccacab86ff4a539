"""LoadGen: its settings, the systems under test that answer it, its detail log."""
