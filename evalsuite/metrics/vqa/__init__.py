"""VQA accuracy, equal to the official script's."""
