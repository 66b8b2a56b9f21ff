"""Captions of an image: reading files, protocols, pages."""
