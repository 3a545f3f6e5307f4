"""What runs inside the sandbox, in a bare interpreter: the standard library only, and nothing of
askd but this package, whose source the harness hands over."""
