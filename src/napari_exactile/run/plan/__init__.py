"""What a person chose becomes zones, a method and a device. Reads no pixels."""
