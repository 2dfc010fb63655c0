"""The recipe of each network: its plan, what is trained in which order, and its card."""
