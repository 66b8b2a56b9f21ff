"""Questions about an image, answered from a vocabulary."""
