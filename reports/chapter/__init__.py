"""What a report tells of one model: timings, accuracy, sizes, sweeps, answers."""
