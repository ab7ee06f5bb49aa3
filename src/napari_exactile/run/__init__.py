"""From a plan of tiles to events, labels and a report."""
