"""COCO captioning."""
