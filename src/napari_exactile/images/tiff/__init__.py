"""The parts of TIFF files: pages, series, what OME-XML says of them. Knows no other formats."""
