"""What goes into an image: locks, wheels, LoadGen, the base's bytes, Dockerfiles. No engine is asked."""
