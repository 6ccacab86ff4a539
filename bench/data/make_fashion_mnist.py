"""Make fashion_mnist.npz, byte for byte, from the idx files of Debian's package dataset-fashion-mnist.

    apt-get install dataset-fashion-mnist
    python3 -m bench.data.make_fashion_mnist [/usr/share/datasets/fashion-mnist]

Takes the first images of each class of the training file, in file order: `fit`, then `calibration`; and the
last ones of the test file: `test`. (The initialisation of the probe weights was chosen by looking at the
first 500 images of the test file, so those are no test any more.) No random draw, hence no generator whose
stream could change. The archive is written by hand because its members' dates and compression must
not depend on NumPy's choices; DEFLATE itself is zlib's (1.2.13 in Debian 12).
"""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

SIZES = {"fit": 1200, "calibration": 128, "test": 512}
# Labels 0 to 9, as the dataset's README names them.
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Read a gzipped idx file of unsigned bytes: big-endian magic 0x00000800 + rank, sizes, data."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    if raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path}: not an idx file of unsigned bytes")
    shape = np.frombuffer(raw, ">u4", count=rank, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(tuple(shape))


def take_turns(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Indices in which the classes take turns, each class in file order."""
    ranks = np.empty(len(labels), np.intp)
    for label in range(len(CLASSES)):
        members = np.flatnonzero(labels == label)
        ranks[members] = np.arange(len(members))
    return np.lexsort((labels, ranks))


def make(source: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Return the archive's arrays: {fit,calibration,test}_{images,labels} uint8, classes."""
    arrays: dict[str, npt.NDArray[np.generic]] = {"classes": np.array(CLASSES)}
    for stem, parts in (("train", ("fit", "calibration")), ("t10k", ("test",))):
        images = read_idx(source / f"{stem}-images-idx3-ubyte.gz")
        labels = read_idx(source / f"{stem}-labels-idx1-ubyte.gz")
        order = take_turns(labels) if stem == "train" else len(labels) - 1 - take_turns(labels[::-1])
        for part in parts:
            chosen, order = np.split(order, [SIZES[part]])
            arrays[f"{part}_images"] = images[chosen]
            arrays[f"{part}_labels"] = labels[chosen]
    return arrays


def write(arrays: dict[str, npt.NDArray[np.generic]], path: Path) -> None:
    """Write an .npz whose bytes depend on the arrays alone."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(arrays):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, arrays[name], version=(1, 0), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, buffer.getvalue())


if __name__ == "__main__":
    idx_files = Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/datasets/fashion-mnist")
    write(make(idx_files), Path(__file__).with_name("fashion_mnist.npz"))
