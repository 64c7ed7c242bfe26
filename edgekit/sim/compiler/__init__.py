"""The built-in simulated compiler: a post-training quantizer that writes the `horizon` dialect."""
