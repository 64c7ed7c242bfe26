"""The shipped demonstration: a small model of our own, generated pictures, and the whole way through both."""
