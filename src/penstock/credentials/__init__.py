"""Owners' storage credentials: sealed in the database, handed to nobody but the transfers of their owner."""
