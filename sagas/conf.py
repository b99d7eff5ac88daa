"""The settings of the saga kernel, each with its type and its default."""

from events.conf import AppSettings, number, text


class SagaSettings(AppSettings):
    SAGA_SUBJECT_NAME = text("what the API, the admin and the command `sagas` call a saga's subject", default="subject")
    RETENTION_SAGAS = number(90.0, "days until finished sagas are deleted", least=0)
    SAGA_SUBJECT_PAGE = text("the name of the admin URL of a saga's subject, such as admin:lending_loan_change")


saga_settings = SagaSettings()
