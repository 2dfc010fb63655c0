"""Network parts that several modules use. These files import torch; nothing imports them at start-up."""
