"""Spans: timed pieces of a job's way, from the cell to the slice on the device, in the shape of OpenTelemetry.

Each process writes its own spans as they end, OTLP JSON line by line, one writer per file, into the job folder. `context` is W3C's trace
context, `recorder` what a process records with, `otlp` the shape on disk, `attributes` every attribute that is written, `clocks` what the
clocks of two hosts differ by, `export` the way to a collector. Stdlib only but for `export`: opentelemetry-sdk takes 0.2 s to import, which is
more than a job kernel takes to boot, and what it would write is what is written here.
"""
