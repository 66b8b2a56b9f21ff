"""One file a verb of the command line; prepare.py turns a request into work."""
