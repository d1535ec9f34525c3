"""Trained subnets as float and int8 ONNX files, checked against torch and against each other."""
