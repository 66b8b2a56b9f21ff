"""One folder a kind of task: what its benchmarks share."""
