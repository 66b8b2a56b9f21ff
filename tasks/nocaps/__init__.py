"""nocaps: captions of objects that COCO's captions do not name."""
