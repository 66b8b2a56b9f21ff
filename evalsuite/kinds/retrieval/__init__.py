"""Images and texts that find each other: features, ranks, pages."""
