"""What is on disk, by hash: artifacts, the recipes they are made by, results. Standard library only."""
