"""What reading a damaged file raises: a number too large, brackets too deep, another kind of value."""

DAMAGE = (
    OSError,
    ArithmeticError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    SyntaxError,
    RecursionError,
    MemoryError,
)
"""Of facts in JSON, and of the header of an array."""
