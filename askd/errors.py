"""The one error that askd shows to a user."""


class AskdError(Exception):
    """Bad input: one sentence that says what is wrong, where, and what to do.

    The command line prints the sentence and exits with code 1; a traceback is for bugs only.
    """
