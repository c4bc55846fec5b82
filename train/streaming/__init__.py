"""The streaming benchmark: hours of programme through the daemon's own engine.

``programme`` composes what a station plays, ``listening`` runs the engine over it, ``figures`` sums
up, ``drift`` asks what a day does to a state, ``pictures`` draws, ``command`` does all of it.
"""
