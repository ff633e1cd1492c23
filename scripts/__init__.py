"""Small programs for those who work on gamekeeper itself; none of them is part of the package."""
