"""Fine-tune one pretrained backbone on every benchmark, and score it as the official scorers do."""
