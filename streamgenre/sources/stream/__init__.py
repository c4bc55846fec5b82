"""Radio streams: Icecast, Shoutcast, HLS, RTSP and SRT."""
