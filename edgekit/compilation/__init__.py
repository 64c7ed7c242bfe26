"""From a yaml to an int8 model: the compilers, the vendor's toolchain, stripping, the `.bin` format."""
