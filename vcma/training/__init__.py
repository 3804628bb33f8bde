"""Training by variational EM: trainer, validation, tuning, calibration, model files."""
