"""Scorers equal to the official ones, which run beside them on request; never torch."""
