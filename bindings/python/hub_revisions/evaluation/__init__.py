"""Evaluating revisions: what runs where, and what becomes of it.

A suite is a command that writes a results file. An engine runs commands somewhere. The runner keeps
the ledger: what was asked of the engine, what came of it, and what the repository was told.
"""
