"""Interval and box algebra, the papers' equations, and the partition of an image into zones."""
