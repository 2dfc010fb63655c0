"""Label map in, image out: three image translators with one interface, each written from its paper.

A generator is called with labels (n, LABEL_COUNT, h, w; one-hot float), noise (n, 1, h, w; standard normal) and style
(n, STYLE; standard normal), and gives an image (n, 1, h, w) in -1..1. h and w are multiples of MULTIPLE. Noise that is
one slice of a field in space gives neighboring slices the same texture; one style serves a whole volume.
"""
