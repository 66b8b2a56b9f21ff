"""COCO's average precision, equal to pycocotools'."""
