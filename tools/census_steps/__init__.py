"""Steps of the census: which descriptions there are, their exports, and what becomes of each."""
