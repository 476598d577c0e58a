"""The two ways a command ends badly."""


class UserError(Exception):
    """The person gave something wrong: what, where and what to do. Nothing was changed; exit 2."""


class OperationFailed(Exception):
    """It was right but did not work; exit 1. `details` are the last lines of what failed."""

    def __init__(self, message: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.details = details
