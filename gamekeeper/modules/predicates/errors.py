"""What can go wrong when a predicate is read."""


class PredicateFault(ValueError):
    """A predicate that cannot be read: where in it, and why."""

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        self.message = message
        super().__init__(f"{path}: {message}" if path else message)
