"""Many images from the dock: picked, segmented by what is chosen there, and shown in a table as they go."""
