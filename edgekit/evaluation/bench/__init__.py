"""`edgekit bench`: many models, sizes, threads and devices measured alike, in one table."""
