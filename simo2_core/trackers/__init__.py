"""Services that a run can be told to: one file each, found by being here. None imports its client."""
