"""
What a too small overlap gets wrong
===================================

The usual way: cut the image into overlapping tiles, and guess how much overlap is enough. This measures the
guess: how many labels differ from those of one pass over the whole image, for one radius and for many.
"""

import napari_exactile as ex
from napari_exactile.images.colonies import draw_colonies

image = draw_colonies((512, 512), seed=7).image
model = ex.load_model("colonies-demo")

middle = ((128, 384), (128, 384))  # a window of the image is quicker than the whole
error = ex.tiling_error(image, model, radius=16, zone=128, window=middle)
print(f"the network needs {max(error.required)} px of context")
print(f"with 16 px, {error.misclassified} pixels differ")

sweep = ex.radius_sweep(image, model, radii=[0, 32, 64, 96], zone=128, window=middle)
for point in sweep.points:
    print(f"radius {point.value:>3} px: {point.misclassified:>5.0f} pixels differ, RMSE {point.rmse:.1e}")
