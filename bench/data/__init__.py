"""Datasets: images, labels and their splits, and the arrays that every framework's image mounts.

`dataset` and what it imports (`listing`, `labels`, `matfile`) need the standard library alone: the host
plans with them. `arrays` and `embedded` need NumPy, `photographs` Pillow as well: the prepare image's.
All Python 3.9.
"""
