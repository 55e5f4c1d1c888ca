"""The command line: one module for each command, and what the commands share.

The modules of commands do without `from __future__ import annotations`: the parser evaluates the
annotations of every command at each start, and would have to compile them from strings first.
"""
