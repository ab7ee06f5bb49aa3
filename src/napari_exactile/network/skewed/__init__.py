"""Every element computed once: rows along one axis, and of each tensor what its readers still want."""
