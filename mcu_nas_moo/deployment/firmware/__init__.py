"""From an int8 ONNX file to C code and a firmware image for a microcontroller."""
