"""Decides: one aggregate's state and new facts in, its new state, findings, commands and timer out.

`stage` is the entrance for one aggregate, `ledger` the one for a whole history. Nothing here reads a clock, a file or
a topic, so that live and replay cannot differ.
"""
