"""A dual encoder of crops and phrases for the drawn world: phrases, crops, training, files, evaluation."""
