"""Published numbers as data, each with its source."""
