"""Adapters, one module per framework; each imports its framework, and nothing else imports them.

Providers: `aiohttp`, `asgi`, `wsgi`. Agents: `httpx`, `requests`, `aiohttp_client`.
"""
