"""Images and models that are opened in napari, dropped on it or come with the plugin."""
