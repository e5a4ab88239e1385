"""Insight: how long authority takes to end, and where it lingers."""

from issuer.insight.service import Insight

__all__ = ["Insight"]
