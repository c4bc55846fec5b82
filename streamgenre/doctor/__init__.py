"""Checks for ``streamgenre doctor``: what is wrong on this machine, and what to do about it."""

from streamgenre.doctor.checks import examine
from streamgenre.doctor.finding import Finding, Subject, Verdict

__all__ = ["Finding", "Subject", "Verdict", "examine"]
