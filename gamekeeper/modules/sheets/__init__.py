"""Sheets: a whole character over all modules in one read, or the parts of it that are asked for."""

from .queries import EVERYTHING, Part, Parts, WholeCharacter, whole

__all__ = ["EVERYTHING", "Part", "Parts", "WholeCharacter", "whole"]
