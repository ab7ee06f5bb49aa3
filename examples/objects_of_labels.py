"""
Count and measure objects, and compare with labels drawn by hand
================================================================

Objects are found block by block, and are those of the whole image: pieces that touch at the seam between two
blocks are one object. The table can be saved as CSV.
"""

import napari_exactile as ex
from napari_exactile.images.colonies import CLASS_NAMES, PIXEL_SIZE_UM, draw_colonies

image, truth = draw_colonies((512, 512), seed=7)
result = ex.segment(image, "colonies-demo")

objects = ex.find_objects(result, classes=CLASS_NAMES, pixel_size=(PIXEL_SIZE_UM,) * 2, min_size=20)
print(*objects.summary(), sep="\n")
for number, (area, (y, x)) in enumerate(zip(objects.sizes, objects.centroids, strict=True), start=1):
    print(f"object {number}: {area:.0f} um2, its centroid at y {y:.0f}, x {x:.0f}")

agreement = ex.agreement(result, truth, classes=CLASS_NAMES)
for one in agreement.classes:
    print(f"{one.name}: Dice {one.dice:.3f}, IoU {one.iou:.3f}")
