"""The processor: its name, its instruction set, and the libraries that do its arithmetic."""

import os
import platform
import re
import subprocess
from contextlib import suppress
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")
# What limits the vector instructions that torch, MKL or oneDNN choose, or fixes their sums' order.
SWITCHES = (
    "ATEN_CPU_CAPABILITY",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_CBWR",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
)


def arithmetic() -> dict[str, str | int]:
    """Return what the last digits of a number depend on, beside versions and device.

    Sums in another order round otherwise, and fine-tuning carries that into the scores.
    """
    instructions = [torch.backends.cpu.get_cpu_capability()]
    instructions += [f"{name}={os.environ[name]}" for name in SWITCHES if os.environ.get(name)]
    return {
        "processor": processor_name(),
        "instructions": ", ".join(instructions),
        "matrix_library": matrix_library(torch.__config__.show()),
        "threads": torch.get_num_threads(),
    }


def processor_name() -> str:
    """Return the name that the maker gave it, or its architecture where the system does not say."""
    named = ""
    if platform.system() == "Darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        with suppress(OSError):
            named = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    elif CPUINFO.is_file():
        lines = re.findall(r"^model name\s*:(.*)$", CPUINFO.read_text(), re.MULTILINE)
        named = lines[0].strip() if lines else ""
    return named or platform.processor() or platform.machine()


def matrix_library(config: str) -> str:
    """Return the libraries that multiply matrices, from what torch tells of its build."""
    found = []
    math = re.search(r"Math Kernel Library Version (\S+?)(?:-\w+)? ", config)
    if math:
        found.append(f"MKL {math[1]}")
    blas = re.search(r"BLAS_INFO=(\w+)", config)
    if blas and not math:
        found.append({"open": "OpenBLAS", "accelerate": "Accelerate"}.get(blas[1], blas[1]))
    deep = re.search(r"MKL-DNN v(\S+)", config)
    if deep:
        found.append(f"oneDNN {deep[1]}")
    return ", ".join(found) or "torch's own"
