"""What `make run` starts on this machine. Never imported by app.py, never packaged."""
