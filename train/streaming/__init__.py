"""The streaming benchmark: hours of programme through the daemon's own engine.

``programme`` composes what a station plays, ``playback`` runs the engine over it,
``stream_figures`` computes the figures, ``drift`` measures what hours do to a state,
``stream_pictures`` draws, ``benchmark`` runs all of it.
"""
