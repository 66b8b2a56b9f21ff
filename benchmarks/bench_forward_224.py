"""A fused pass at 224 pixels: see forward_input.py."""

from forward_input import bench
from harness import main

BENCH = bench(224, batch=8, speed=1.0)

if __name__ == "__main__":
    main(BENCH)
