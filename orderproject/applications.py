"""The packages of this project. It imports nothing: settings, the one-command stack and the tests read it."""

SERVICES = ("orders", "inventory", "payments", "notifications", "publishing")
KERNEL = ("desk", "events", "sagas")
APPLICATIONS = (*KERNEL, *SERVICES, "orderproject")
"""In the order in which Django loads them: the project comes last, when all permissions exist."""
PACKAGES = ("web", *APPLICATIONS)
