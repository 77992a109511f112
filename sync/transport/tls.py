"""Which authorities' certificates are trusted."""

import os

import certifi


def ca_file() -> str:
    """The PEM file of trusted authorities: SSL_CERT_FILE, as OpenSSL itself has it (for a company's own authority), or certifi's."""
    return os.environ.get("SSL_CERT_FILE") or certifi.where()
