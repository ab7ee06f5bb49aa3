"""Settings files as text: which keys there are, and what values look like; nothing here knows a run."""
