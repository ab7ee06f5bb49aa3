"""Many images: found, named, segmented by one model, told in a table; for scripts, command line and dock."""
