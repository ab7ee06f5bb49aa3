"""
Segment an array in a script
============================

The labels are those of one pass of the network over the whole image, and the report says so. Here the image
is small enough to make that pass, too, and to compare.
"""

import napari_exactile as ex
from napari_exactile.images.colonies import draw_colonies

image = draw_colonies((512, 512), seed=7).image  # any array of numpy, dask or zarr, or the path of a file
model = ex.load_model("colonies-demo")

analysis = ex.analyse(model, shape=image.shape)  # no pixel is touched
print(f"zones start on multiples of {analysis.factor} px and need {analysis.radius} px of context")

result = ex.segment(image, model, tile=304)
whole = ex.segment_whole(image, model)

differing = int((result.labels != whole.labels).sum())
print(f"{result.report.tiles} tiles, exact: {result.report.exact}, near-ties: {result.report.near_ties}")
print(f"{differing} of {image.size} pixels differ from one pass over the whole image")
