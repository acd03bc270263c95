"""Benchmarks: how fast, how lean and how accurate surgplan is, measured as its users meet it.

`python -m tests.benchmarks` (or `make bench`) runs them all; `python -m tests.benchmarks --help` tells the options.
Results go to `docs/benchmarks.json`, and from there into the table of `docs/benchmarks.md`, with the facts of the
machine. Nothing here asserts a time: the figures are for people to judge.

    measure.py        a command as a whole process: wall time, processor time, peak memory
    machine.py        what the figures were measured on
    case_large.py     the 512×512×400 example: made, run by surgplan, held against its truth
    bench_dicom2stl.py   dicom2stl on the same series, in an environment of its own, in turns with surgplan
    bench_read.py     reading a series, against pydicom and numpy; compressed, on one core and on all
    bench_truth.py    surfaces of analytic bodies (bodies.py) held to the truth, beside dicom2stl's; plot.py draws it
    kernels.py        the single stages, each in a process of its own
    side_by_side.py   each kernel beside the fastest library for its job
    pages.py          docs/benchmarks.md from docs/benchmarks.json
"""
