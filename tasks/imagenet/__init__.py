"""ImageNet-1K classification."""
