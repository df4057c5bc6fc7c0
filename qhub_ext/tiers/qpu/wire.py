"""How circuits, numbers and results look on the wire of IBM's primitives: OpenQASM 3 one way, tagged JSON the other.

Arrays are npy files, compressed and in base64, read without pickle. What the vendor's own decoder does in 2 s of imports is done
here with numpy alone; a test holds the two against each other.
"""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import qasm3
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult

from qhub_ext.errors import Cause, DeviceError

_RESULTS: dict[str, type[PubResult]] = {
    "PubResult": PubResult,
    "EstimatorPubResult": PubResult,
    "SamplerPubResult": SamplerPubResult,
}
MAX_ARRAY_BYTES = 2**31
MAX_HEAD_BYTES = 2**14
"""Of an npy file: its header may have 10,000 characters."""


def to_qasm(circuit: QuantumCircuit) -> str:
    """OpenQASM 3 of an ISA circuit; its parameters become p000000, p000001 ..., whose order by name is their own."""
    names = {parameter: Parameter(f"p{place:06d}") for place, parameter in enumerate(circuit.parameters)}
    return str(qasm3.dumps(circuit.assign_parameters(names) if names else circuit))


def tagged(value: Any) -> Any:
    """A value as JSON with type tags."""
    if isinstance(value, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        return _tag("ndarray", base64.standard_b64encode(zlib.compress(buffer.getvalue())).decode())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, datetime):
        return _tag("datetime", value.isoformat())
    if isinstance(value, BitArray):
        return _tag("BitArray", {"array": tagged(value.array), "num_bits": value.num_bits})
    if isinstance(value, DataBin):
        fields = {name: tagged(field) for name, field in value.items()}
        return _tag("DataBin", {"field_names": list(value), "shape": list(value.shape), "fields": fields})
    if isinstance(value, PubResult):
        name = "SamplerPubResult" if isinstance(value, SamplerPubResult) else "PubResult"
        return _tag(name, {"data": tagged(value.data), "metadata": tagged(value.metadata)})
    if isinstance(value, PrimitiveResult):
        return _tag(
            "PrimitiveResult", {"pub_results": [tagged(pub) for pub in value], "metadata": tagged(value.metadata)}
        )
    if isinstance(value, Mapping):
        return {str(key): tagged(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [tagged(item) for item in value]
    return value


def execution_spans(spans: Sequence[tuple[datetime, datetime, Mapping[int, tuple[tuple[int, ...], int]]]]) -> Any:
    """When each PUB was on the device: (start, stop, {PUB: (shape, shots)}), in the vendor's shape."""
    return _tag(
        "ExecutionSpans",
        {
            "spans": [
                _tag(
                    "DoubleSliceSpan",
                    {
                        "start": tagged(start),
                        "stop": tagged(stop),
                        "data_slices": tagged(
                            {
                                pub: [[*shape, shots], 0, int(np.prod(shape, dtype=int)), 0, shots]
                                for pub, (shape, shots) in pubs.items()
                            }
                        ),
                    },
                )
                for start, stop, pubs in spans
            ]
        },
    )


def untagged(value: Any) -> Any:
    """The value of tagged JSON. A tag that is not known here stays as it came. Raises DeviceError for what is torn."""
    if isinstance(value, list):
        return [untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind, inner = value.get("__type__"), value.get("__value__")
    if kind is None:
        return {key: untagged(item) for key, item in value.items() if key != "__int_keys__"}
    try:
        return _untag(str(kind), inner)
    except DeviceError:
        raise
    except Exception as error:
        raise DeviceError(
            f"The device's result cannot be decoded: a {kind} is not what it should be ({error}).",
            advice="The task ran; ask the site for its result by the task's id.",
            cause=Cause.INTEGRATION,
        ) from error


def _untag(kind: str, inner: Any) -> Any:
    if kind == "ndarray":
        return np.asarray(inner) if isinstance(inner, list) else _array(inner)
    if kind == "BitArray":
        return BitArray(np.asarray(untagged(inner["array"]), dtype=np.uint8), int(inner["num_bits"]))
    if kind == "DataBin":
        shape = tuple(inner.get("shape") or ())
        return DataBin(**{name: untagged(inner["fields"][name]) for name in inner["field_names"]}, shape=shape)
    if kind in _RESULTS:
        return _RESULTS[kind](untagged(inner["data"]), metadata=untagged(inner.get("metadata") or {}))
    if kind == "PrimitiveResult":
        return PrimitiveResult(
            [untagged(pub) for pub in inner["pub_results"]], metadata=untagged(inner.get("metadata") or {})
        )
    if kind == "datetime":
        return datetime.fromisoformat(inner)
    if kind == "complex":
        return complex(*inner)
    if kind in ("ExecutionSpans", "DoubleSliceSpan", "TwirledSliceSpan", "TwirledSliceSpanV2", "ExecutionSpan"):
        return {"__type__": kind, **untagged(inner)}
    return {"__type__": kind, "__value__": inner}


def _array(text: str) -> NDArray[Any]:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.standard_b64decode(text), MAX_ARRAY_BYTES)
    if unpacker.unconsumed_tail:
        raise ValueError(f"more than {MAX_ARRAY_BYTES} bytes")
    array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return array


def array_shape(given: Any) -> tuple[int, ...]:
    """Of a tagged array, by its head alone: what a stranger sent may unpack to a thousand times its size. Raises ValueError, TypeError."""
    if isinstance(given, list):
        return np.shape(given)
    try:
        head = zlib.decompressobj().decompress(base64.standard_b64decode(given), MAX_HEAD_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    file = io.BytesIO(head)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return tuple(read(file)[0])


def quantum_seconds(metadata: Mapping[str, Any]) -> float | None:
    """Time on the device in s, from the execution spans of a result; None where it has none."""
    spans = ((metadata.get("execution") or {}).get("execution_spans") or {}).get("spans")
    if not spans:
        return None
    return float(sum((span["stop"] - span["start"]).total_seconds() for span in spans))


def quantum_intervals(metadata: Mapping[str, Any]) -> list[tuple[float, float]]:
    """When it was on the device by the device's own clock, in s since 1970 UTC; none where the result has no execution spans."""
    spans = ((metadata.get("execution") or {}).get("execution_spans") or {}).get("spans") or ()
    return [(_utc_seconds(span["start"]), _utc_seconds(span["stop"])) for span in spans]


def _utc_seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _tag(kind: str, value: Any) -> dict[str, Any]:
    return {"__type__": kind, "__value__": value}
