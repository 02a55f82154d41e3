"""The terminal console of simo2: command line and screens."""
