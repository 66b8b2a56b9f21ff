"""COCO retrieval: images by their captions, captions by their images."""
