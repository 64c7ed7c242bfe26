"""The compiled `.bin` file: its protobuf message and what it says of the build."""
