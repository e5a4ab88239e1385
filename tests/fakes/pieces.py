"""Cutting what arrives from a network."""

from itertools import pairwise


def in_pieces(data, cuts):
    """`data` cut at the places `cuts`."""
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(places)]
