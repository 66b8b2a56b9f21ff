"""What a benchmark, a task and a backbone promise; torch only in backbone.py and task.py."""
