"""The stack: its templates, and the program that packages and deploys them. Nothing here runs in Lambda."""
