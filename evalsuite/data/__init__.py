"""Official files in, samples, token ids and pixels out; the sample index and the data doctor."""
