"""How many boxes are read before they are taken, and how many wait to be written."""

from __future__ import annotations

# Boxes that are read before they are asked for, and results that are kept until they are written: one of each
# lets neither thread wait as long as all take alike, the second evens out what takes longer now and then.
AHEAD = BEHIND = 2
