"""Deployments and applications for machines; what each address does is one action or one query."""
