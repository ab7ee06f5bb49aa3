"""Models in files, one small module for each format, and the guards in front of them."""
