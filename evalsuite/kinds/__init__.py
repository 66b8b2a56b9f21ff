"""What benchmarks of one kind share, a folder for each kind: result files, protocols, pages."""
