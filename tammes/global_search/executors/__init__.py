"""Executors of the global search: this process, threads, worker processes, a cluster."""
