"""Signing keys: prepared, active, retiring, retired; one set for agent tokens, one of its own for status lists.

The private halves are files that never leave this issuer; the public halves are rows, so that every issuer publishes all.
"""

from issuer.keys.model import KeySet, Phase, Purpose, SigningKey
from issuer.keys.rotation import KeyPolicy
from issuer.keys.service import KeyService
from issuer.keys.signer import Signer

__all__ = ["KeyPolicy", "KeyService", "KeySet", "Phase", "Purpose", "Signer", "SigningKey"]
