"""Small drawn scenes with complete ground truth, in every benchmark's official layout."""
