"""Every knob: name, default, unit, sentence. The only reader of `qhub.toml` and of `QHUB_*` variables.

`qhub.toml` is looked for in the Jupyter configuration folders (system, environment, user: later ones win), then in the file
that `QHUB_CONFIG` names. A variable `QHUB_SECTION_KEY` (or `QHUB_KEY` for a top-level key) overrides every file.

`sites`, `devices`, `broker` and `jobs` hold the sections, `whole` puts them together, `reading` fills them.
"""

from qhub_ext.settings.broker import BrokerProfileSettings, BrokerRuleSettings, BrokerSettings
from qhub_ext.settings.devices import PreflightSettings, QpuResourceSettings, QpuSettings, QpuWindowSettings
from qhub_ext.settings.jobs import (
    CaptureSettings,
    LimitSettings,
    ProfileSettings,
    RuntimeSettings,
    Share,
    TelemetrySettings,
)
from qhub_ext.settings.knobs import describe_settings, describe_tables
from qhub_ext.settings.notices import SettingsWarning
from qhub_ext.settings.reading import config_files, current_settings, load_settings
from qhub_ext.settings.sites import EmbeddedSettings, SlurmDeviceSettings, SlurmSettings, SlurmTierSettings
from qhub_ext.settings.variables import unknown_variables
from qhub_ext.settings.whole import Settings

__all__ = [
    "BrokerProfileSettings",
    "BrokerRuleSettings",
    "BrokerSettings",
    "CaptureSettings",
    "EmbeddedSettings",
    "LimitSettings",
    "PreflightSettings",
    "ProfileSettings",
    "QpuResourceSettings",
    "QpuSettings",
    "QpuWindowSettings",
    "RuntimeSettings",
    "Settings",
    "SettingsWarning",
    "Share",
    "SlurmDeviceSettings",
    "SlurmSettings",
    "SlurmTierSettings",
    "TelemetrySettings",
    "config_files",
    "current_settings",
    "describe_settings",
    "describe_tables",
    "load_settings",
    "unknown_variables",
]
