"""The program ``mcu-nas``, a module for each command."""
