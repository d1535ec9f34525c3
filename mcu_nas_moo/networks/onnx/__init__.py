"""ONNX files: read as layer tables, written from torch modules."""
