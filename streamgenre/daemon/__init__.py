"""One listening process: its stations, sinks, requests, reloads and watchdog."""
