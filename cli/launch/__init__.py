"""Launching a program so that the sidecar knows whose it is: fork, register, exec, watch."""
