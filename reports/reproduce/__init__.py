"""A published set against its repetition: judged, told."""
