"""Plain data, standard library only: recipe, run folder, journal, score, report, board."""
