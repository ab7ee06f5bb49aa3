"""Exact tiled segmentation of images larger than GPU memory."""
