"""The statements of the paper, each with the numbers that decide it, in the order of the text.

A function makes one statement. What it takes are the examples or constants that the numbers are
computed from; the defaults are those of the table.
"""
