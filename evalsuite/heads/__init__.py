"""Modules that turn a backbone's features into logits, boxes, masks and words."""
