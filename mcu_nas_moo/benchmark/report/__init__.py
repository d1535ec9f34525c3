"""A comparison as one page, and its figures and tables for papers."""

from mcu_nas_moo.benchmark.report.writing import write_report

__all__ = ["write_report"]
