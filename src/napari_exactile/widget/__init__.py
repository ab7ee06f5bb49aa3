"""The napari side: dock, overlay, worker, sample data."""
