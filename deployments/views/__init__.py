"""The pages of applications and deployments: load, one action, answer."""
