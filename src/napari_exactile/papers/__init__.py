"""The experiments of the two papers on exact tiling, made again."""
