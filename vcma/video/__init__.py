"""Video files and pictures: decoding, sampling, drawing."""
