"""BEiT-3: its configurations, keys, layers and released files."""
