"""Image sources, whole-image statistics, synthetic images and label files."""
