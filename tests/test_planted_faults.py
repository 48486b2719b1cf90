"""The lines that planted_faults.py changes are there."""

from planted_faults import FAULTS, ROOT


def test_every_fault_changes_one_line_of_its_file():
    for name, fault in FAULTS.items():
        text = (ROOT / fault.file).read_text(encoding="utf-8")
        assert text.count(fault.old) == 1, f"{name}: plant it in the new line"
        assert fault.new not in text or fault.new in fault.old, name


def test_every_fault_names_tests_that_exist():
    for name, fault in FAULTS.items():
        for module in fault.tests.split():
            assert (ROOT / f"tests/test_{module}.py").is_file(), name
