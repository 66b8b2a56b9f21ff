"""No file makes a reader raise anything but a UserError of one line, hang, or take all memory.

A trial is a seed: it damages one file of a well-formed twin and lets the reader loose on both. A
fault prints its subject and seed, which repeat it: `list(faults(subject, folder, [seed]))`.
"""

from pathlib import Path

import pytest
from fuzz_subjects import SUBJECTS
from fuzz_trials import faults

IN_CI = 100  # trials of each subject
ALL = 4000  # trials of each subject: more than 100,000 in all


@pytest.fixture(autouse=True)
def _without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """Java starts anew for each score; it reads no file of a person's."""
    monkeypatch.setattr("evalsuite.metrics.captions.java.package_folder", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_damaged_files_are_read_or_refused_in_one_line(subject: str, tmp_path: Path) -> None:
    assert not list(faults(subject, tmp_path, range(IN_CI)))


@pytest.mark.slow
@pytest.mark.parametrize("subject", SUBJECTS)
def test_many_damaged_files_are_read_or_refused(subject: str, tmp_path: Path) -> None:
    assert not list(faults(subject, tmp_path, range(IN_CI, ALL)))
