"""The training loops, and the recipe of each bundled network."""
