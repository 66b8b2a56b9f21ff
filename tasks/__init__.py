"""The benchmarks, a folder for each: its card, official files, scores and recipes."""
