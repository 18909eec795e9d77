"""Snakemake's executor ``penstock``: each job of a workflow becomes a process in the queue.

Snakemake imports this at each of its starts, so nothing here imports pydantic, httpx or a part of the server: those
would cost every workload 0.3 s.
"""
