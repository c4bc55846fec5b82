"""Models and decisions: from MFCC frames to a genre, speech, silence or unknown."""
