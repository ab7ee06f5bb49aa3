"""The parts of `bench/gpu.py`: one module a section of its report, and what all of them share.

It may know everything of the program and of the helpers in `tests`, but no package that is neither on the
list in `bench/gpu-wheels.txt` nor named in `bench/gpu.py`.
"""
