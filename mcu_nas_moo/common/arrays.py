"""Names for the arrays that the parts of the package exchange."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Integers of any shape.
IntArray = np.ndarray[Any, np.dtype[np.int64]]
#: Floating-point numbers of any shape.
FloatArray = np.ndarray[Any, np.dtype[np.floating[Any]]]
#: Truth values of any shape.
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
#: Genotypes ``(N, n_genes)``: indices of gene options.
Genotypes = np.ndarray[Any, np.dtype[np.int64]]
