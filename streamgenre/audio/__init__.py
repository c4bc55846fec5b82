"""Signal processing: from captured samples to MFCC frames."""
