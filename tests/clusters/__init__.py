"""Servers that take minutes to build: MinIO, kube-apiserver and Vault, as Go modules, into `.cache/clusters`.

`make test-clusters` builds them and runs the tests in this folder. `make test` does without.
"""
