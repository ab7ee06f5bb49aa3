"""Help in the dock, and what to send to those who are asked for it. It changes nothing of a run."""
