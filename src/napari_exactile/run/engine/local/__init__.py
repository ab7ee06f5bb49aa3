"""This computer's devices: from boxes of the image to labels."""
