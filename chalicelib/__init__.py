"""What runs in Lambda. Pure Python only; app.py is its one caller and the only importer of chalice."""
