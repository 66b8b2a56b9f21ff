"""What a benchmark, a task, a backbone and a tokenizer promise."""
