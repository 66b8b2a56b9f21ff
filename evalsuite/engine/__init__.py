"""Fine-tuning, predicting and scoring; knows ranks and devices, never a task's name."""
