"""The process in which compressed pixels are decoded: `python -m surgplan.formats.codec_child`.

It reads pickled slice headers from stdin and answers each on stdout with `ANSWER` and its bytes. Decoders are written
in C and read hostile bytes: here they may crash, hang or take all memory without taking the program with them.
"""

from __future__ import annotations

import json
import pickle
import resource
import sys
import time
from struct import Struct
from typing import Final

import numpy as np

from surgplan.errors import BadInput, SurgplanError
from surgplan.formats.dicom_codecs import decoded_frame
from surgplan.formats.limits import AGAIN, lower_limit

ANSWER: Final = Struct("<B3sIIQ")
"""Whether pixels follow, their numpy type, rows, columns, and how many bytes follow."""
MOST_MEMORY = 2 << 30
"""A JPEG 2000 slice of 4096 × 4096 takes 0.35 GiB (measured)."""
LONGEST_S = 8
"""Processor time for one slice: one of 4096 × 4096 in JPEG 2000 takes 2.5 s (measured)."""


def main() -> None:
    """Decode all slices that stdin names."""
    lower_limit(resource.RLIMIT_AS, MOST_MEMORY)
    answers = sys.stdout.buffer
    for each in pickle.load(sys.stdin.buffer):
        lower_limit(resource.RLIMIT_CPU, int(time.process_time()) + LONGEST_S)
        try:
            raw = np.ascontiguousarray(decoded_frame(each))
            if raw.ndim != 2 or raw.dtype.kind not in "iu":
                raise BadInput(each.path, f"decodes to pixels of the shape {raw.shape}", "rows and columns", AGAIN)
        except SurgplanError as error:
            answers.write(_told(error))
        except MemoryError:
            answers.write(_told(BadInput(each.path, "takes more than 2 GiB to decode", "", AGAIN)))
        else:
            answers.write(ANSWER.pack(1, raw.dtype.str.encode(), *raw.shape, raw.nbytes))
            answers.write(raw.data)
        answers.flush()


def _told(error: SurgplanError) -> bytes:
    """An error as JSON: what a process that read hostile bytes says is never unpickled."""
    told = json.dumps(error.as_dict()).encode()
    return ANSWER.pack(0, b"", 0, 0, len(told)) + told


if __name__ == "__main__":
    main()
