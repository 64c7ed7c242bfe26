"""The operators of quantized graphs, one file each; `registry.OPERATORS` says which function reads which node."""
