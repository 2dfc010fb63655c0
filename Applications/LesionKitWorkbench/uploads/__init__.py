"""Files that a browser sends: how many, how large, where they go, and what of them is opened."""
