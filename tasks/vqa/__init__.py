"""VQAv2: open questions about COCO images, ten human answers each."""
