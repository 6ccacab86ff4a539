"""Making artifacts: the prepare image's work. No image that measures imports or holds it."""
