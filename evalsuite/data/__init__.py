"""Official files in, samples and pixels out: the sample index, images and the data doctor."""
