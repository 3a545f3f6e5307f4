"""The audit of the sandbox: programs that try to fool or to leave it, and what came of them."""
