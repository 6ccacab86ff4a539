"""What others can check: registries, pins, published sets."""
