"""One run in the viewer: its thread, its layers and what the footer says of it."""
