"""One class an image: result files, mixing, probes, pages."""
