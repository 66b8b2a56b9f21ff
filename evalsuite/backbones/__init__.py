"""Pretrained backbones behind one contract; finding, fetching and reading their checkpoints."""
