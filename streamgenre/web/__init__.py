"""The web page: live, the history, and the API behind both, in a process of its own."""
