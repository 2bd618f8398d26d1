"""What runs in Lambda. Pure Python, small, and free of Chalice: ``app.py`` alone knows Chalice."""
