"""The program ``mcu-nas-bench``, a module for each command."""
