"""Tasks: which are open, since when and whose, and which of them linger. They are ended where all authority ends."""
