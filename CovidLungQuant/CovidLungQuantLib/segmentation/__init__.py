"""From a chest CT to what the networks see, and from lung masks to right and left lung."""
