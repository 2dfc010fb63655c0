"""The public data sets (docs/data.md) as training and evaluation images."""
