"""What `remit doctor` looks at: each module yields findings."""
