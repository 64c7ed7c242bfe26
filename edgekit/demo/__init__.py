"""The shipped demonstration: a small model of our own, generated images, and the whole way through both."""
