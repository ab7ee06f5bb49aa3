"""What computing a zone takes: memory, arithmetic, passes over the image, room for what is kept."""
