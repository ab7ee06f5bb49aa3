"""Help in the dock, what to send to those who are asked for it, and what napari warns of, in words.

It changes nothing of a run.
"""
