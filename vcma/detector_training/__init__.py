"""Training a detector on annotated pictures, and evaluating one."""
