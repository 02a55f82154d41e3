"""Pictures as PNG files, one kind a file: arrays in, a file out, whole or not at all. See `style` for the look."""
