"""The mathematics: networks, temporal posterior, variational EM, decoding. No path, no artifact, no click."""
