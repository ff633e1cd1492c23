"""The tests of gamekeeper. They start the servers that they need, and never touch one that was there before."""
