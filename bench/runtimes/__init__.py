"""What runs an artifact: a file a runtime, and what shows which kernels it took."""
