"""The one reader of NumPy archives (.npz); a failure is one line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalsuite.data.reading import DAMAGE, shortened
from evalsuite.records.errors import UserError
from evalsuite.records.file_kinds import LOOKED_AT, kind_of


def read_arrays(
    path: Path, names: Sequence[str], what: str, optional: Sequence[str] = ()
) -> dict[str, NDArray[Any]]:
    """Return arrays of an archive by name, the optional ones where they are there.

    Args:
        what: what the file should be, for messages.

    Raises:
        UserError: the file is missing, no archive, damaged, lacks an array or holds Python objects.
    """
    try:
        with path.open("rb") as file:
            kind = kind_of(file.read(LOOKED_AT))
        if kind != "a zip archive":  # which .npz is
            raise UserError(f"{path}: {kind or 'not a .npz archive'}; expected {what}")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise UserError(f"{path}: has no array {missing[0]}; expected {what}")
            wanted = [name for name in (*names, *optional) if name in archive.files]
            arrays = {name: archive[name] for name in wanted}
    except UserError:
        raise
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror or error}); expected {what}"
        ) from None
    except (*DAMAGE, KeyError, RuntimeError) as error:
        raise UserError(f"{path}: not a whole .npz archive: {shortened(str(error))}") from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # numpy hands a member of another kind as bytes
            raise UserError(f"{path}: {name} is not a NumPy array; expected {what}")
    return arrays
