"""Enforcement: which verifiers there are, which changes each of them enforces, and how long that took.

A provider's verifiers register, one for each process, and acknowledge the newest change that all of their threads enforce. A verifier
is awaited from its registration until it says goodbye, or has been away for so long that it refuses everything by its own bound.
"""

from issuer.enforcement.model import Bounds
from issuer.enforcement.service import Enforcement

__all__ = ["Bounds", "Enforcement"]
