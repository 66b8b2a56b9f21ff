"""Fine-tuning and predicting; knows ranks and devices, never a task's name."""
