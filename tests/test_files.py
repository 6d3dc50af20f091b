"""What is written to disk is there whole or not at all, and what is read from it is numbers and texts, never code."""

import contextlib
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.files import cache_arrays, read_pickled, read_tensors, write_tensors, write_whole


class Bomb:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_tensors_and_notes_come_back_as_they_were(tmp_path):
    tensors = {
        "whole numbers": torch.arange(6).reshape(2, 3),
        "bf16": torch.randn(3, 2).bfloat16(),
        "not in a row": torch.arange(6.0).reshape(2, 3).T,
        "one": torch.tensor(1.5, requires_grad=True),
        "none": torch.zeros(0, 4),
    }
    write_tensors(tmp_path / "file", tensors, {"name": "猫", "more": '{"a": 1}'})
    again, notes = read_tensors(tmp_path / "file")
    assert notes == {"name": "猫", "more": '{"a": 1}'} and again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert again[name].dtype == tensor.dtype and torch.equal(again[name], tensor) and not again[name].requires_grad
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_file_without_notes_is_read_too(tmp_path):
    write_tensors(tmp_path / "file", {"a": torch.ones(2)}, {})
    assert read_tensors(tmp_path / "file")[1] == {}


def test_what_was_read_does_not_hang_on_to_its_file(tmp_path):
    file = tmp_path / "file"
    write_tensors(file, {"a": torch.ones(20000)}, {})
    tensors, _ = read_tensors(file)
    with file.open("r+b") as opened:  # in place, as no part of the course does it
        opened.write(b"\0" * file.stat().st_size)
    assert torch.equal(tensors["a"], torch.ones(20000))


def test_a_writing_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "file"
    file.write_text("the old one")

    def fails(part):
        part.write_text("half of the ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(file, fails)
    assert file.read_text() == "the old one" and [one.name for one in tmp_path.iterdir()] == ["file"]
    write_whole(file, lambda part: part.write_text("the new one") and None)
    assert file.read_text() == "the new one" and [one.name for one in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("place", ["no folder/file", "a file/file"])
def test_where_nothing_can_be_written_it_is_an_os_error_that_names_the_file(tmp_path, place):
    (tmp_path / "a file").write_text("no folder")
    with pytest.raises(OSError, match=f"{place} could not be written"):
        write_tensors(tmp_path / place, {"a": torch.ones(2)}, {})
    cache_arrays(tmp_path / place, a=np.ones(2))  # for what can be made again this is no error
    assert [one.name for one in tmp_path.iterdir()] == ["a file"]


def test_a_file_that_is_not_there_is_named(tmp_path):
    for place in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(FileNotFoundError) as told:
            read_tensors(place)
        assert told.value.filename == str(place)


def test_a_file_that_is_no_safetensors_is_named_and_never_run(tmp_path):
    write_tensors(tmp_path / "whole", {"a": torch.ones(100)}, {"name": "cat"})
    torch.save(Bomb(tmp_path / "mark"), tmp_path / "torch")
    whole = (tmp_path / "whole").read_bytes()
    cut = [whole[:length] for length in (0, 4, 8, 20, len(whole) // 2, len(whole) - 1)]
    others = [b"text", b"long text " * 99, pickle.dumps(Bomb(tmp_path / "mark")), (tmp_path / "torch").read_bytes()]
    for content in cut + others:
        (tmp_path / "broken").write_bytes(content)
        with pytest.raises(ValueError, match="broken is not a whole safetensors file.*make or fetch it again"):
            read_tensors(tmp_path / "broken")
    assert not (tmp_path / "mark").exists()


def files_with_code(mark):
    """By name, files of torch that would touch the mark if what is in them was run."""

    def by_torch(whole, **how):
        torch.save(whole, content := io.BytesIO(), **how)
        return content.getvalue()

    bomb, files = Bomb(mark), {}
    inside = {"soft_prompt_state_dict": {"prompt_embeddings": torch.ones(3, 24)}, "model_config": {"names": [bomb]}}
    for where, whole in (("alone", bomb), ("inside", inside)):
        for protocol in range(2, 6):
            files[f"pickle {protocol}, {where}"] = pickle.dumps(whole, protocol)
            files[f"zip {protocol}, {where}"] = by_torch(whole, pickle_protocol=protocol)
        files[f"legacy, {where}"] = by_torch(whole, _use_new_zipfile_serialization=False)
    for place in range(4):
        magic, version = torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION
        parts = [magic, version, {"little_endian": True}, inside]
        parts[place] = bomb
        files[f"part {place} of the old format"] = b"".join(pickle.dumps(part, 2) for part in parts)
    old = zipfile.ZipFile(io.BytesIO(by_torch(inside | {"model_config": {}})))
    for other in ("data.pkl", "version", "byteorder"):
        with zipfile.ZipFile(new := io.BytesIO(), "w") as zipped:
            for name in old.namelist():
                zipped.writestr(name, pickle.dumps(bomb, 2) if name.endswith(f"/{other}") else old.read(name))
        files[f"another {other}"] = new.getvalue()
    return files


def test_code_in_a_file_of_torch_is_never_run(tmp_path):
    file, mark = tmp_path / "learned", tmp_path / "mark"
    for name, content in files_with_code(mark).items():
        file.write_bytes(content)
        with contextlib.suppress(ValueError):  # torch does not look at a version that it does not know
            assert "bomb" not in str(read_pickled(file)) and name == "another version"
        assert not mark.exists(), name
        if name.startswith(("pickle", "zip 2")):  # it would run, else this would prove nothing
            with contextlib.suppress(Exception):
                torch.load(file, weights_only=False)
            with contextlib.suppress(Exception):
                pickle.loads(content)
            assert mark.exists(), name
            mark.unlink()
