"""The verbs, a file for each; prepare.py turns a request into what a run needs."""
