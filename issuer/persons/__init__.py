"""Persons: on whose behalf agents act. Who they are is never kept: a keyed digest of it is."""

from issuer.persons.model import OnBehalf, Pairwise
from issuer.persons.service import Persons

__all__ = ["OnBehalf", "Pairwise", "Persons"]
