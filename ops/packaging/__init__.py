"""From the sources to build/STAGE: the template that is deployed, and the zip."""
