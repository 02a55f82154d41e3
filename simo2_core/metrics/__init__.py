"""The numbers of an evaluation: one file for each that is measured at once, found by being here."""
