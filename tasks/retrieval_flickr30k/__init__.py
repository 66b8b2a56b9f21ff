"""Flickr30K retrieval: images by their captions, captions by their images."""
