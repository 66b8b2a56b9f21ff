"""What a run records of the machine that its last digits depend on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from saved_runs import answers, saved_run

from evalsuite.__main__ import main
from evalsuite.engine.processor import arithmetic, matrix_library, processor_name
from evalsuite.tinyworld.write import write_world


def test_the_processor_is_named_as_the_system_names_it() -> None:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file() or "model name" not in cpuinfo.read_text():
        pytest.skip("this system names its processor elsewhere")
    assert f": {processor_name()}" in cpuinfo.read_text()


def test_vector_instructions_that_a_switch_takes_away_are_recorded() -> None:
    ask = "import json; from evalsuite.engine.processor import *; print(json.dumps(arithmetic()))"
    switches = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    answer = subprocess.run(
        [sys.executable, "-c", ask],
        env={**os.environ, **switches},
        capture_output=True,
        check=True,
    )
    found = json.loads(answer.stdout)
    said = "ATEN_CPU_CAPABILITY=default, ONEDNN_MAX_CPU_ISA=SSE41"
    assert found["instructions"].endswith(said)
    assert found["instructions"].split(", ")[0] in {"DEFAULT", "NO AVX"}
    assert found["processor"] == arithmetic()["processor"]


@pytest.mark.parametrize(
    ("build", "library"),
    [
        (
            "  - Intel(R) oneAPI Math Kernel Library Version 2024.2-Product Build 20240605 for\n"
            "  - Intel(R) MKL-DNN v3.12.0 (Git Hash 80af)\n BLAS_INFO=mkl, BUILD_TYPE=Release",
            "MKL 2024.2, oneDNN 3.12.0",
        ),
        ("  - Build settings: BLAS_INFO=open, BUILD_TYPE=Release", "OpenBLAS"),
        ("  - Build settings: BLAS_INFO=accelerate, BUILD_TYPE=Release", "Accelerate"),
        ("  - GCC 13.3", "torch's own"),
    ],
)
def test_the_matrix_library_is_read_from_torchs_build(build: str, library: str) -> None:
    assert matrix_library(build) == library


def test_a_comparison_lists_the_processors_where_they_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_world(tmp_path / "world", size="mini", benchmarks=("vqa",))
    said = answers(tmp_path / "world")
    runs = [saved_run(tmp_path / "runs", tmp_path / "world", seed, said) for seed in (0, 1)]
    for run, name in zip(runs, ("AMD EPYC", "Intel Xeon"), strict=True):
        run.facts["sessions"][-1] |= {"processor": name, "threads": 1}
        run.save()
    folders = [str(run.folder) for run in runs]
    command = ["evalsuite", "report", *folders, "--compare", "-o", str(tmp_path / "both")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit):
        main()
    written = (tmp_path / "both/comparison.md").read_text()
    assert "| processor | AMD EPYC | Intel Xeon |" in written
    assert "| threads |" not in written
    assert "- processor: AMD EPYC" in (runs[0].folder / "report.md").read_text()
