"""`streamgenre doctor`: what is wrong on this machine, in words, and what to do about it."""

from streamgenre.doctor.finding import Finding, Subject, Verdict
from streamgenre.doctor.rounds import examine

__all__ = ["Finding", "Subject", "Verdict", "examine"]
