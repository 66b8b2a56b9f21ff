"""The command line: commands, options, printing, and faults turned into one line."""
