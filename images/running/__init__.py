"""The run: what is left to measure, on which engine, for how long, and what came back."""
