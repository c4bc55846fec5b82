"""Own genres: heads that are fitted on a shipped model's embedding."""
