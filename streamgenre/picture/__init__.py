"""Draws what the model hears in a file: waveform, mel spectrogram, MFCC frames and genres."""
