"""What a person chose becomes zones, bands, a method and a device. Reads no pixels."""
