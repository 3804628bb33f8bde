"""The model: networks, temporal posterior, variational EM, decoding. No file access and no command line."""
