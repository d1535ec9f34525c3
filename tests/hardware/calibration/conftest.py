"""Fixtures of the calibration tests."""

from __future__ import annotations

import pytest

from mcu_nas_moo.hardware.calibration.measurements import shipped_measurements


@pytest.fixture(scope="session")
def shipped():
    """All measurements that the package ships."""
    return shipped_measurements()
