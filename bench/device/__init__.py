"""The machine: what it is, how it feels, whether it was slowed. Standard library only."""
