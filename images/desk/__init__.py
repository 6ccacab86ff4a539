"""Where a person stands: what tasks.py calls. It alone knows reports/."""
