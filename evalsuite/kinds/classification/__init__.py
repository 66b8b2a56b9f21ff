"""One class per image: result files, augmentation, mixing, probes, pages."""
