"""Pure functions of complete predictions and references; never torch."""
