"""The third room: reads a run's results and tells what they say. Measures nothing."""
