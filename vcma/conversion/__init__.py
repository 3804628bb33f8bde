"""Other programs' files: predictions and tubes read from theirs, predictions written as theirs."""
