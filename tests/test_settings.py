from pathlib import Path

import pytest

from qhub_ext.errors import Cause, QhubError, SettingsError, UnknownNameError
from qhub_ext.settings import SettingsWarning, describe_settings, describe_tables, load_settings, notices


def toml(tmp_path: Path, text: str, name: str = "qhub.toml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_later_files_win_and_variables_win_over_files(tmp_path: Path) -> None:
    files = [
        toml(tmp_path, 'tier = "emulation"\ndevice = "fez"\n[limits]\ntime_s = 60\ngrace_s = 5\n', "site.toml"),
        toml(tmp_path, "[limits]\ntime_s = 90\n", "user.toml"),
    ]
    found = load_settings({"QHUB_DEVICE": "torino", "QHUB_EMBEDDED_WARM_KERNELS": "0"}, files)
    assert (found.tier, found.device) == ("emulation", "torino")
    assert (found.limits.time_s, found.limits.grace_s) == (90, 5)
    assert found.embedded.warm_kernels == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('tier = "qp"', r"qhub\.toml: tier = 'qp' is not accepted: input should be 'local', 'emulation' or 'qpu'"),
        (
            "[limits]\ntime_s = 0",
            r"qhub\.toml: limits\.time_s = 0 is not accepted: input should be greater than or equal to 1",
        ),
        ('tierr = "local"', r"qhub\.toml: there is no setting 'tierr'\. Did you mean tier"),
        ("[limits]\ncolour = 1", r"there is no setting 'limits\.colour'"),
        ("tier = ", r"qhub\.toml is not valid TOML"),
    ],
)
def test_a_wrong_key_is_answered_with_file_key_value_and_what_is_accepted(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings({}, [toml(tmp_path, text)])


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(SettingsError, match=r"QHUB_LIMITS_TIME_S: limits\.time_s = 'long' is not accepted"):
        load_settings({"QHUB_LIMITS_TIME_S": "long"}, [])


@pytest.mark.parametrize("name", ["SHELF", "CACHE", "EMBEDDED_DIRECTORY", "BROKER_DIRECTORY", "QPU_VIRTUAL_DIRECTORY"])
def test_a_folder_that_would_be_another_for_each_process_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"QHUB_{name}: .* it accepts a path from / or ~ on"):
        load_settings({f"QHUB_{name}": "jobs"}, [])
    load_settings({f"QHUB_{name}": "~/jobs"}, [])


def test_a_configuration_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        load_settings({"QHUB_CONFIG": str(tmp_path / "none.toml")})


def test_every_setting_has_a_sentence() -> None:
    rows = describe_settings()
    assert len(rows) > 15
    for name, _, sentence in rows:
        assert sentence.endswith("."), name


def test_an_error_survives_a_process_boundary() -> None:
    import pickle

    error = UnknownNameError.among("device", "kingstn", ["kingston", "boston"])
    assert "Did you mean 'kingston'?" in str(error)
    for copy in (pickle.loads(pickle.dumps(error)), QhubError.from_json(error.to_json())):
        assert type(copy) is UnknownNameError
        assert str(copy) == str(error)
        assert copy.cause is Cause.CODE


def test_a_variable_that_sets_nothing_is_named_once_with_what_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_told", set())
    for name, value in {"QHUB_TEIR": "local", "QHUB_SOMETHING_ELSE": "1", "QHUB_TEST_OURS": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.warns(SettingsWarning) as told:
        load_settings()
    assert sorted(str(one.message) for one in told) == [
        "The variable QHUB_SOMETHING_ELSE sets nothing: there is no such setting. `qhub doctor --settings` lists what there is.",
        "The variable QHUB_TEIR sets nothing: there is no such setting. Did you mean QHUB_TIER?",
    ]
    load_settings()  # a warning would be an error here


def test_in_a_job_nobody_is_told_of_a_variable_that_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_told", set())
    monkeypatch.setenv("QHUB_TEIR", "local")
    monkeypatch.setenv("QHUB_ATTEMPT", "1")
    load_settings()


def test_what_the_site_s_own_file_says_is_the_least_and_a_user_may_ask_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "_told", set())
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    site = toml(tmp_path, "[slurm]\npoll_s = 30\n", "site.toml")
    hasty = toml(tmp_path / "mine", "[slurm]\npoll_s = 1\n")
    for files, env in (([site], {"QHUB_SLURM_POLL_S": "2"}), ([site, hasty], {})):
        with pytest.warns(SettingsWarning) as told:
            assert load_settings(env, files).slurm.poll_s == 30
        (said,) = (str(one.message) for one in told)
        assert said.endswith(f"is less than this site allows; it is 30, as {site} says.")
        assert said.startswith(("QHUB_SLURM_POLL_S: slurm.poll_s = 2", f"{hasty}: slurm.poll_s = 1"))
        load_settings(env, files)  # told once
    assert load_settings({"QHUB_SLURM_POLL_S": "60"}, [site]).slurm.poll_s == 60
    assert load_settings({}, [hasty]).slurm.poll_s == 1, "where the site says nothing, a user decides"
    with pytest.raises(SettingsError, match=r"QHUB_SLURM_POLL_S: slurm\.poll_s = 'soon'"):
        load_settings({"QHUB_SLURM_POLL_S": "soon"}, [site])


def test_a_file_that_the_user_points_to_and_may_write_sets_no_least_for_its_user(tmp_path: Path) -> None:
    mine = toml(tmp_path, "[slurm]\npoll_s = 30\n")
    assert load_settings({"QHUB_CONFIG": str(mine), "QHUB_SLURM_POLL_S": "2"}, [mine]).slurm.poll_s == 2


def test_a_tier_may_have_a_site_of_its_own(tmp_path: Path) -> None:
    files = [toml(tmp_path, 'tier = "qpu"\n[sites]\nemulation = "slurm"\nqpu = "slurm"\n')]
    found = load_settings({}, files)
    assert [found.site_of(tier) for tier in ("local", "emulation", "qpu", None)] == [
        "embedded",
        "slurm",
        "slurm",
        "slurm",
    ]
    assert found.all_sites == ["embedded", "slurm"]
    everywhere = load_settings({"QHUB_SITE": "embedded"}, files)
    assert everywhere.all_sites == ["embedded"], "who names the site means all tiers"
    with pytest.raises(SettingsError, match=r"sites\.emulaton"):
        load_settings({}, [toml(tmp_path, '[sites]\nemulaton = "slurm"\n')])


def test_slices_that_would_be_over_before_their_first_shot_are_refused_with_the_numbers(tmp_path: Path) -> None:
    (tmp_path / "qhub.toml").write_text("[broker]\nslice_s = 2\noverhead_s = 3\n")
    with pytest.raises(SettingsError) as told:
        load_settings({}, [tmp_path / "qhub.toml"])
    assert told.value.message == (
        f"{tmp_path / 'qhub.toml'}: broker: slice_s = 2 must be above overhead_s = 3: a slice would be over before its first shot."
    )


def test_a_broker_of_ones_own_gives_way_to_one_that_is_named() -> None:
    own = load_settings({"QHUB_BROKER_ON_DEMAND": "1"}, []).broker
    assert own.place == own.own == own.directory / "broker.sock"
    assert own.shared is None
    named = load_settings({"QHUB_BROKER_ON_DEMAND": "1", "QHUB_BROKER_URL": "http://login1:8731"}, []).broker
    assert (named.place, named.own) == ("http://login1:8731", None)


def test_a_wrong_key_of_a_named_section_is_answered_with_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"no setting 'slurm\.tiers\.qpu\.time_mx_s'\. Did you mean slurm\.tiers\.qpu\.time_max_s"
    ):
        load_settings({}, [toml(tmp_path, "[slurm.tiers.qpu]\ntime_mx_s = 60\n")])


def test_every_key_of_a_named_section_has_a_sentence() -> None:
    tables = describe_tables()
    assert {("slurm.tiers", "time_s"), ("qpu.windows", "rule"), ("runtimes", "kind")} <= {(t, k) for t, k, _ in tables}
    assert [(table, key) for table, key, sentence in tables if not sentence.endswith(".")] == []


def test_of_several_mistakes_one_is_explained_and_the_others_are_named(tmp_path: Path) -> None:
    file = tmp_path / "qhub.toml"
    file.write_text('tier = "moon"\n[slurm]\nlauncher = "time"\npoll_s = "often"\ntirs = 3\n')
    with pytest.raises(SettingsError) as caught:
        load_settings({}, [file])
    assert "tier = 'moon' is not accepted" in caught.value.message
    assert caught.value.message.endswith("Nor are accepted: slurm.poll_s, slurm.launcher, slurm.tirs.")
    file.write_text('[slurm]\nlauncher = "time"\n')
    with pytest.raises(SettingsError, match=r"slurm\.launcher = 'time' is not accepted: input should be a list"):
        load_settings({}, [file])
