"""Whether a sentence is true of its images."""
