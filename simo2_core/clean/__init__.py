"""Which images of a data set to look at once more: likely wrong labels, near-duplicates, outliers."""
