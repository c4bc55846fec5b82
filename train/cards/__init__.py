"""Model cards: Markdown and pictures from a manifest, and the table of all models."""
