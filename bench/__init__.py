"""Measure quantized inference: prepare artifacts, drive LoadGen, record results.

This package travels into every image. It runs on Python 3.9 and 3.11 and needs NumPy,
LoadGen and one framework; it never imports `images` or `reports`.
"""
