"""How the latency model's parameters are made: builds of the vendor's compiler, the fit, and its check."""
