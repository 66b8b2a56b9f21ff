"""What turns a backbone's features into logits, boxes, masks and captions."""
