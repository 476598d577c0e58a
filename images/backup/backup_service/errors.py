"""What goes wrong, in one line each: no secret, no control character, no traceback."""

# A line in a record or a log. pgBackRest quotes what it could not read, which may be kilobytes.
LONGEST_LINE = 600


class WrongInput(Exception):
    """What was asked for cannot be, whoever asks: exit status 2."""

    exit_status = 2


class Terminated(BaseException):
    """This process was asked to end. Not an Exception: nothing but the very end may swallow it."""


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """The text on one line, without what a terminal would act on, cut where it gets too long."""
    readable = "".join(char if char.isprintable() and char != "\ufffd" else " " for char in text)
    line = " ".join(readable.split())
    return line if len(line) <= longest else line[: longest - 2].rstrip() + " …"


def describe(error: BaseException) -> str:
    """What happened, for a record: of errors of this program the text, of others the type too."""
    text = one_line(str(error))
    if type(error).__module__.startswith("backup_service"):
        return text or type(error).__name__
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
