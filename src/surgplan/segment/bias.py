"""Evening out the brightness that the coils of an MR scanner give, so that one tissue has one intensity."""

from __future__ import annotations

import numpy as np

from surgplan.model.volume import Volume

SHRUNK_MM = 4.0
"""The field changes over centimetres: it is found on voxels of this size."""

ROUNDS = (30, 20, 10)


def without_bias(volume: Volume) -> Volume:
    """The volume divided by its bias field, as float32.

    Source: Tustison et al., "N4ITK: improved N3 bias correction", IEEE Trans. Medical Imaging 29, 2010.
    """
    import SimpleITK as sitk

    array = np.maximum(volume.array.astype(np.float32), 0)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([float(step) for step in volume.grid.spacing])
    factors = [max(1, int(SHRUNK_MM / step)) for step in volume.grid.spacing]
    small = sitk.BinShrink(image, factors)
    mask = sitk.OtsuThreshold(small, 0, 1, 128)
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(list(ROUNDS))
    n4.Execute(small, mask)
    field = sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image)).astype(np.float32)
    np.exp(field, out=field)
    array /= field
    return Volume(volume.grid, array, volume.modality, volume.frame_of_reference)
