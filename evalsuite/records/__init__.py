"""Plain data: what a run leaves behind and what a report is made of; standard library only."""
