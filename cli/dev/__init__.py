"""A whole trust domain for the time of one program: `remit dev`."""
