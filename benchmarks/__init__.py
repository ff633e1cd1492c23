"""Measures gamekeeper against its peers and against the limits of the same machine, interleaved in one run; see README.md."""
