"""Labels on disk: zarr, journal, lock and what a crash leaves of them; and as TIFF. Knows no runs."""
