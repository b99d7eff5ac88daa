"""The notifications service: e-mails to customers, each sent once, and webhooks."""
