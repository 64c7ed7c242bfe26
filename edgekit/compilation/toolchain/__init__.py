"""The vendor's toolchain as black boxes: where it is, how it comes here, how its commands are run."""
