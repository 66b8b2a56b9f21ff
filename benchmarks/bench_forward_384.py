"""A fused pass at 384 pixels: see forward_input.py."""

from forward_input import bench
from harness import main

BENCH = bench(384, batch=4, speed=1.2)

if __name__ == "__main__":
    main(BENCH)
