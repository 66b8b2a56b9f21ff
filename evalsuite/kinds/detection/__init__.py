"""Boxes and masks of objects: files, frames, views, pages."""
