"""The integer graph, operation by operation: each module turns one family of float nodes into the dialect."""
