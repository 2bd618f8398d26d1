"""What an operator runs against a deployment. Nothing of it runs in Lambda."""
