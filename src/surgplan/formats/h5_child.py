"""The process in which HDF5 transforms are read: `python -m surgplan.formats.h5_child FILE`.

The library that reads them is written in C, and a damaged file can end its process: here that takes nothing with it.
It answers with one line of JSON: `[linear and of three dimensions, the kind, matrix]`.
"""

from __future__ import annotations

import json
import resource
import sys

import numpy as np

from surgplan.formats.limits import lower_limit

MOST_MEMORY, LONGEST_S = 2 << 30, 8


def main() -> None:
    """Read the transform that the command line names."""
    lower_limit(resource.RLIMIT_AS, MOST_MEMORY)
    lower_limit(resource.RLIMIT_CPU, LONGEST_S)
    import SimpleITK as sitk

    stored = sitk.ReadTransform(sys.argv[1])
    usable = stored.IsLinear() and stored.GetDimension() == 3
    matrix = np.eye(4)
    if usable:
        matrix[:3, 3] = stored.TransformPoint((0.0, 0.0, 0.0))
        for axis, unit in enumerate(np.eye(3)):
            matrix[:3, axis] = np.array(stored.TransformPoint(unit.tolist())) - matrix[:3, 3]
    print(json.dumps([usable, stored.GetName(), matrix.tolist()]))


if __name__ == "__main__":
    main()
