"""What can be done with the labels of a run: objects, agreement, saving, the report."""
