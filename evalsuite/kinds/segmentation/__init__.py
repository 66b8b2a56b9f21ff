"""A class for every pixel: label maps, windows, pages."""
