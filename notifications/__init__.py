"""Notifications: what customers are told, once."""
