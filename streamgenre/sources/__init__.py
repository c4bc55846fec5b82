"""Audio inputs: sound cards, radio streams, files, pipes and the demo programme."""
