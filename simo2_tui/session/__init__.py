"""A run as the console sees it: what it has said so far, and how to command it."""
