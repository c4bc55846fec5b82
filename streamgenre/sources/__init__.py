"""Where a station's samples come from: sound cards, files, pipes and the demo programme."""
