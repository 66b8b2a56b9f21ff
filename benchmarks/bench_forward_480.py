"""A fused pass at 480 pixels: see forward_input.py."""

from forward_input import bench
from harness import main

BENCH = bench(480, batch=4, speed=1.35)

if __name__ == "__main__":
    main(BENCH)
