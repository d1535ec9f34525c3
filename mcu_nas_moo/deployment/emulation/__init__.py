"""Firmware on an emulated core: outputs, memory and instructions of what was built."""
