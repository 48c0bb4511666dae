from pathlib import Path

from chaos import catalog

SCENARIOS = Path(catalog.__file__).with_name("scenarios")


def test_every_promise_has_a_scenario_and_every_scenario_a_place() -> None:
    promises = list(dict.fromkeys(one.promise for one in catalog.SCENARIOS))
    assert promises == [f"R{n}" for n in range(1, 23)]
    modules = [one.module for one in catalog.SCENARIOS]
    assert sorted(modules) == sorted(file.stem for file in SCENARIOS.glob("r*.py"))
    assert all(one.module.startswith(f"r{int(one.promise[1:]):02d}_") for one in catalog.SCENARIOS)
