"""The genuine client of Pasqal's cloud, unpatched and used by hand, against our virtual device."""

from __future__ import annotations

import pytest

from tests.qpu.by_hand import by_hand
from tests.qpu.conftest import VirtualQpu

BY_HAND = """
import json, sys
import qrmi
from pulser import Pulse, QPUBackend, Register, Sequence
from qrmi.pulser import PulserQRMIConnection

resource = qrmi.QuantumResource.from_config("FRESNEL", qrmi.ResourceType.PasqalCloud, json.loads(sys.stdin.read()))
assert str(resource.status().to_dict()["status"]).lower().endswith("online"), resource.status().to_dict()
connection = PulserQRMIConnection(resource)
device = connection.fetch_available_devices()["FRESNEL"]
register = Register.rectangle(1, 2, spacing=6, prefix="q").with_automatic_layout(device)
sequence = Sequence(register, device)
sequence.declare_channel("global", "rydberg_global")
sequence.add(Pulse.ConstantPulse(1000, 3.14, 0, 0), "global")
results = QPUBackend(sequence, connection).run(job_params=[{"runs": 200}], wait=True)
print(json.dumps(dict(results.results[0].final_bitstrings)))
"""


@pytest.mark.slow
def test_target_sequence_status_and_results_of_the_genuine_wheel_work_unpatched(server: VirtualQpu) -> None:
    config = {
        "QRMI_PASQAL_CLOUD_BASE_URL": server.url,
        "QRMI_PASQAL_CLOUD_PROJECT_ID": "practice",
        "QRMI_PASQAL_CLOUD_CLIENT_ID": "virtual",
        "QRMI_PASQAL_CLOUD_CLIENT_SECRET": server.key,
        "QRMI_PASQAL_CLOUD_AUTH_ENDPOINT": f"{server.url}/identity/pasqal",
    }
    counts = by_hand(BY_HAND, config)
    assert sum(counts.values()) == 200
    assert counts.get("11", 0) < 30  # the blockade: two atoms so close are not excited together
