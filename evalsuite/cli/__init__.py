"""The command line: options, printing, and faults turned into one line."""
