"""Configuration: one TOML file, `REMIT_*` variables over it, checked whole before anything starts."""

from issuer.config.load import load
from issuer.config.model import Config, HTTPConfig, KeysConfig, LogConfig, StatusConfig, Table, TokensConfig

__all__ = ["Config", "HTTPConfig", "KeysConfig", "LogConfig", "StatusConfig", "Table", "TokensConfig", "load"]
