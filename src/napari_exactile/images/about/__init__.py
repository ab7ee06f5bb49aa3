"""What a file says of its image: axes, pixel size, which of several it is. Reads no pixels."""
