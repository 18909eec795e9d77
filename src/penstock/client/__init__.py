"""The Python client. ``http.Server`` is a connection, ``workloads.Workloads`` and ``tasks.Tasks`` are its calls, and
``runs.Runs`` takes files all the way to results. It imports none of the server.
"""
