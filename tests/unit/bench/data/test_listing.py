"""bench.data.listing and source: every layout of a folder, its splits, and what changes its identity."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from fixtures_datasets import WNIDS, ilsvrc, meta_mat, touch
from hypothesis import given
from hypothesis import strategies as st

from bench.common.errors import ArtifactError, UsageError
from bench.data import dataset, listing
from bench.data.listing import Listing


def classes(root: Path, sizes: dict[str, int]) -> Path:
    return touch(root, {f"{name}/{i}.jpg": 5 + i for name, count in sizes.items() for i in range(count)})


def every(found: Listing) -> dict[str, int]:
    return {image.file: image.label for image in (*found.test, *found.calibration)}


# -------------------------------------------------------------------------------------------------- words


def test_the_host_needs_neither_numpy_nor_pillow() -> None:
    program = "import sys; import bench.data.dataset; sys.exit(bool({'numpy', 'PIL'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[4])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("fashion_mnist", "Did you mean 'fashion-mnist'"),
        ("fashion-mnist:/data", "it has no path"),
        ("imagenet", "imagenet needs the folder of its images"),
        ("folder:/nowhere", "/nowhere: no such folder"),
    ],
)
def test_a_word_that_names_no_dataset(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dataset.find(word)


def test_what_the_host_knows_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "REFERENCE_IMAGES", 32)
    found = dataset.find(f"folder:{classes(tmp_path, {'cat': 30, 'dog': 30})}")
    assert (found.name, found.path, found.test, found.calibration) == ("folder", tmp_path, 45, 15)
    assert found.label == f"folder-{found.fingerprint[:8]}"
    assert "15 images, evenly spaced over all 60" in found.notes[-1]
    data = {"path": "/data", "fingerprint": found.fingerprint}
    assert found.data("/data", 40) == {**data, "samples": 40}
    assert found.data("/data", 5) == {**data, "samples": 32}  # the reference's
    assert found.data("/data", 45) == found.data("/data", 0) == {**data, "samples": 0}
    assert dataset.label_of({"dataset": "folder", "data": data}) == found.label


# ------------------------------------------------------------------------------------------------ layouts


def test_class_folders_are_numbered_in_their_order(tmp_path: Path) -> None:
    touch(classes(tmp_path, {"dog": 4, "cat": 4}), {"cat/notes.txt": 1, "cat/._0.jpg": 1, ".git/x.jpg": 1})
    found = listing.read("folder", tmp_path)
    assert found.classes == ("cat", "dog")
    assert every(found) == {
        f"{name}/{i}.jpg": label for label, name in enumerate(found.classes) for i in range(4)
    }


@pytest.mark.parametrize("name", ["imagenet", "folder"])
@pytest.mark.parametrize("base", ["", "images", "val", "ILSVRC2012_img_val"])
def test_a_val_map_labels_images_wherever_they_are(tmp_path: Path, name: str, base: str) -> None:
    names = ilsvrc(tmp_path, base, 9)
    (tmp_path / "val_map.txt").write_text("".join(f"{name} {100 + i}\n" for i, name in enumerate(names[:8])))
    found = listing.read(name, tmp_path)
    prefix = f"{base}/" if base else ""
    assert every(found) == {prefix + name: 100 + i for i, name in enumerate(names[:8])}
    assert "1 images are left out: val_map.txt does not name them" in found.notes


def test_a_csv_comes_before_other_labels_and_may_name_folders(tmp_path: Path) -> None:
    classes(tmp_path, {"x": 4, "y": 4})
    rows = [f"{name}/{i}.jpg,{7 if name == 'x' else 3}" for name in "xy" for i in range(4)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,class_index", *rows]))
    (tmp_path / "val_map.txt").write_text("x/0.jpg 1\n")
    found = listing.read("folder", tmp_path)
    assert Counter(every(found).values()) == {7: 4, 3: 4}


@pytest.mark.parametrize("place", ["", "data", "ILSVRC2012_devkit_t12/data"])
def test_the_devkits_ground_truth_goes_by_sorted_wnids(tmp_path: Path, place: str) -> None:
    names = ilsvrc(tmp_path, "val", 8)
    shuffled = random.Random(2).sample(WNIDS, 1000)
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / place / "meta.mat").write_bytes(meta_mat(dict(enumerate(shuffled, 1))))
    truth = tmp_path / place / "ILSVRC2012_validation_ground_truth.txt"
    truth.write_text("\n".join(str(identity) for identity in range(101, 109)))
    found = listing.read("imagenet", tmp_path)
    assert every(found) == {f"val/{name}": WNIDS.index(shuffled[100 + i]) for i, name in enumerate(names)}
    truth.write_text("490\n361\n")
    with pytest.raises(ArtifactError, match="2 labels, but 8 images"):
        listing.read("imagenet", tmp_path)
    (tmp_path / place / "meta.mat").unlink()
    with pytest.raises(ArtifactError, match=r"only the devkit's meta.mat translates"):
        listing.read("imagenet", tmp_path)


def test_all_thousand_wnid_folders_are_imagenet(tmp_path: Path) -> None:
    numbers = random.Random(3).sample(range(1, 1001), 1000)
    touch(
        tmp_path / "val",
        {f"{wnid}/ILSVRC2012_val_{number:08d}.JPEG": 3 for wnid, number in zip(WNIDS, numbers, strict=True)},
    )
    found = listing.read("imagenet", tmp_path)
    assert found.classes == WNIDS
    assert all(WNIDS[image.label] in image.file for image in found.test)
    order = [image.file[-13:] for image in found.test]
    assert order == sorted(order)  # as if the images were in one folder
    assert len(listing.read("folder", tmp_path / "val").test) == 750


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        (
            "folder",
            {"n01440764/a.jpg": 1, "n01443537/a.jpg": 1},
            "2 of 2 folders are named by a wnid; only all",
        ),
        ("imagenet", {"val/n01440764/a.jpg": 1}, "1 of 1 folders are named by a wnid"),
        ("folder", {"images/a.jpg": 1}, "1 class folders, expected 2 to 1000, and no label file"),
        ("folder", {"a.jpg": 1}, "0 class folders"),
        ("folder", {"cat/a.jpg": 1, "dog/a.txt": 1}, "no image in dog"),
        ("folder", {"cat/a.jpg": 1, "dog/a.jpg": 1}, "2 images: too few"),
        ("imagenet", {"val/a.jpg": 1}, "no labels: there is no val_map.txt"),
    ],
)
def test_a_folder_that_says_too_little(
    tmp_path: Path, name: str, files: dict[str, int], message: str
) -> None:
    with pytest.raises(ArtifactError, match=message):
        listing.read(name, touch(tmp_path, files))


def test_missing_images_are_named_with_their_line(tmp_path: Path) -> None:
    ilsvrc(tmp_path, "images", 4)
    present = [f"ILSVRC2012_val_{number:08d}.JPEG 0" for number in range(1, 5)]
    (tmp_path / "val_map.txt").write_text(
        "\n".join([*present, "gone.JPEG 1", *(f"{i}.JPEG 1" for i in range(9))])
    )
    with pytest.raises(
        ArtifactError, match=r"val_map.txt: line 5: no file images/gone.JPEG; .* \(and 7 more\)"
    ):
        listing.read("imagenet", tmp_path)


# ------------------------------------------------------------------------------------------------- splits


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 9), min_size=2))
def test_splits_never_mix_and_every_prefix_is_balanced(
    tmp_path_factory: pytest.TempPathFactory, sizes: dict[str, int]
) -> None:
    root = classes(tmp_path_factory.mktemp("folder"), sizes)
    total = sum(sizes.values())
    if total < 4:
        with pytest.raises(ArtifactError, match="too few"):
            listing.read("folder", root)
        return
    found = listing.read("folder", root)
    assert len(every(found)) == len(found.test) + len(found.calibration) == total
    assert len(found.calibration) == total // 4
    for part in (found.test, found.calibration):
        there = Counter(image.label for image in part)
        for length in range(1, len(part)):
            seen = Counter(image.label for image in part[:length])
            # a class may only be behind another if it has no image left
            assert all(seen[label] >= min(there[label], max(seen.values()) - 1) for label in there)


def test_calibration_images_are_spread_over_the_classes(tmp_path: Path) -> None:
    """With classes in turns, every fourth image would be of every second class."""
    found = listing.read("folder", classes(tmp_path, {f"class{i}": 40 for i in range(8)}))
    assert Counter(image.label for image in found.calibration) == dict.fromkeys(range(8), 10)


def test_at_most_500_images_calibrate(tmp_path: Path) -> None:
    assert len(listing.read("folder", classes(tmp_path, {"a": 1100, "b": 1100})).calibration) == 500


@pytest.mark.parametrize("option", [1, 2])
def test_mlperfs_calibration_list_is_taken_from_the_test_split(tmp_path: Path, option: int) -> None:
    names = ilsvrc(tmp_path, "val", 12)
    (tmp_path / "val_map.txt").write_text("".join(f"{name} {i}\n" for i, name in enumerate(reversed(names))))
    before = listing.read("imagenet", tmp_path)
    (tmp_path / f"cal_image_list_option_{option}.txt").write_text(f"{names[7]}\n{names[2]}\n")
    found = listing.read("imagenet", tmp_path)
    assert [image.file for image in found.calibration] == [f"val/{names[7]}", f"val/{names[2]}"]
    assert [image.file for image in found.test] == [
        f"val/{n}" for i, n in enumerate(names) if i not in (2, 7)
    ]
    assert f"cal_image_list_option_{option}.txt: the 2 images it names" in found.notes[-1]
    assert found.fingerprint != before.fingerprint
    (tmp_path / f"cal_image_list_option_{option}.txt").write_text(f"{names[7]}\nother.JPEG\n")
    with pytest.raises(ArtifactError, match=r"line 2: other.JPEG is not among the images"):
        listing.read("imagenet", tmp_path)
    (tmp_path / f"cal_image_list_option_{option}.txt").write_text("\n".join(names))
    with pytest.raises(ArtifactError, match="none is left to test"):
        listing.read("imagenet", tmp_path)


# --------------------------------------------------------------------------------------------- fingerprint


def test_the_fingerprint_changes_with_names_sizes_and_labels_alone(tmp_path: Path) -> None:
    def print_of(root: Path) -> str:
        return listing.read("folder", root).fingerprint

    one = classes(tmp_path / "one", {"a": 4, "b": 4})
    assert print_of(one) == print_of(classes(tmp_path / "two", {"b": 4, "a": 4}))
    seen = {print_of(one)}
    for change in ({"a/0.jpg": 99}, {"a/4.jpg": 1}, {"a/zz.jpg": 1}, {"c/0.jpg": 5}):
        seen.add(print_of(touch(one, change)))
    (one / "a/0.jpg").rename(one / "b/00.jpg")
    seen.add(print_of(one))
    assert len(seen) == 6
