"""COCO object detection and instance segmentation."""
