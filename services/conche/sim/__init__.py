"""A simulated kotekan cluster that speaks the real protocol, corner cases included.

Operators rehearse on it and the chaos tests judge by its books, so it is independent of the rest of conche:
it imports nothing of it and has its own idea of what a config, a block and a revision are.
"""
