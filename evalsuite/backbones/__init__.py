"""Pretrained backbones behind one contract, and the reading of their checkpoints."""
