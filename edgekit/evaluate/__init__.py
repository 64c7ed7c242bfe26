"""How good a model is: scores on labels, agreement with another model, and how sure both are."""
