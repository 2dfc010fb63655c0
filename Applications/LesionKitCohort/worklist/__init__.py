"""A worklist of cases that readers correct, and what training takes from it."""
