"""What a routing leaves for people: the report."""
