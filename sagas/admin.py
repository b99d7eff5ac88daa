"""Where Django looks for the admin's pages about sagas."""

from sagas.operations.admin import SagaRunAdmin

__all__ = ["SagaRunAdmin"]
