"""Orders: placed, confirmed, cancelled."""
