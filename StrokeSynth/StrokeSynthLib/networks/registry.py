"""The image translators by name, and what all of them take; light, so that the command line's help can import it."""

TRANSLATORS = ("pix2pix", "spade", "cyclegan")
MULTIPLE = 32  # height and width of a slice must be multiples of this
STYLE = 128  # numbers of a style
