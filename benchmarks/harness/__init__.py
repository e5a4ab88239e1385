"""Measuring and reporting; knows nothing of what is measured."""
