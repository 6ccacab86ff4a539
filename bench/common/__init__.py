"""What every part of the bench stands on: errors, files, events, hashes. Standard library only."""
