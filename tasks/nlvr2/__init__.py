"""NLVR2: whether a sentence is true of a pair of photographs."""
