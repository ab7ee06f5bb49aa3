"""Which plane and which band of zones comes next, and the one place that writes what was computed."""
