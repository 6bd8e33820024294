"""curfewd: sees task credentials that leak, are used after their task, or outlive it."""

__version__ = "0.1.0"
