"""Subscribers that forward events to other systems: MQTT and webhooks."""
