"""The operator's program: what a person or CI runs to package, deploy, examine and repair a deployment.

``python -m ops COMMAND``; the targets of the Makefile call it. Nothing of it runs in Lambda.
"""
