"""Near-ties: decisions so narrow that the order of floating-point additions may flip them."""

from dataclasses import dataclass

# How far apart two alternatives must be, relative to the size of their scores (to 1 at least), for
# no batch size and no number of processes to swap them. In half precision a change on the way may
# move each score by one step of the type, 2 ** -7 or 2 ** -10; in full precision a sum of n terms
# by about sqrt(n) steps of 2 ** -23 (Higham and Mary 2019, SIAM J. Sci. Comput. 41), and 84 of
# them stand for the longest rows, 4096 wide. Seen between batches of 1, 7 and 64 on trained
# beit3_tiny, and of 1, 3 and 8 on beit3_base: 1e-6, 6e-3 (bf16) and 1e-3 (fp16).
TOLERANCES = {"no": 1e-5, "bf16": 2**-6, "fp16": 2**-9}


@dataclass(frozen=True, kw_only=True)
class NearTies:
    """How many decisions of a split are nearer to another than `tolerance`, and of how many."""

    count: int
    of: int
    tolerance: float

    def __str__(self) -> str:
        rest = f"narrower than {self.tolerance:.2g}, where floating point may decide"
        return f"{self.count:,} of {self.of:,} decisions are {rest}"
