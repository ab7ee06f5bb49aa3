"""Layers of napari: planes of an image, zones, classes. Knows no sections of the dock."""
