"""Training by variational EM: trainer, validation, calibration, model files."""
