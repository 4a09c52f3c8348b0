"""Small raster files as the usual writers make them, and what reading each must give.

`matrix.py` lists all of them; the other modules are one writer, or one part of its files, each.
"""
