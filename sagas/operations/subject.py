"""What a saga is about, as this project names it: the setting SAGA_SUBJECT_NAME, such as `loan`."""

from sagas.conf import saga_settings

SUBJECT: str = saga_settings.SAGA_SUBJECT_NAME
"""The field in the API's answers, the parameter of its list, and the option of the command `sagas`."""
