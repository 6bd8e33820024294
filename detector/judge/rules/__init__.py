"""The rules: each is one record and one function. `catalog.py` lists them."""
