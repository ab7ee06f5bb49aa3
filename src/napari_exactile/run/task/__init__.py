"""What a run is made of, said once and asked without making anything. Knows no engine and no store."""

from napari_exactile.run.task import said as said  # with it, tasks go through pickle
