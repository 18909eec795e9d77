"""The options by which the modules of ``library/`` reach a server; penstock.client.operations has their types."""

from __future__ import annotations


class ModuleDocFragment:
    """C(extends_documentation_fragment: penstock_connection)."""

    DOCUMENTATION = r"""
options:
  url:
    description: Address of the server; default is E(PENSTOCK_URL), else C(http://127.0.0.1:8642).
    type: str
  token_file:
    description: File with the token to send; default is E(PENSTOCK_TOKEN_FILE), else C(~/.config/penstock/token).
    type: path
  ca_file:
    description: Certificate authority to trust besides the system's.
    type: path
  socket:
    description: Unix socket to reach the server by.
    type: path
"""
