"""`exactile segment`: its options, with or without a settings file, and what they make of an image."""
