"""Whatever is in other people's files, they are read or refused in a sentence; nothing else is opened, and nothing made, changed or run."""

import collections
import contextlib
import io
import json
import os
import pickle
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import hypothesis.configuration
import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, features
from test_captioner import small_gpt2, vlm

import soft_prompt_finetune
from helpers import training
from helpers.checkpoint import PARTS, PROMPT, WHOLE, learned_from
from helpers.data import VLMDataset
from helpers.files import read_tensors
from helpers.pictures import BadPicture, open_picture
from helpers.pretrained import load_clip, load_gpt2

ROOT = Path(__file__).parents[1]
CAPTIONER = ROOT / "data" / "captioner" / "captioner.safetensors"
hypothesis.configuration.set_hypothesis_home_dir(os.environ["COURSE_CACHE"])  # it would leave a folder in ours


def tried(times):
    """The same examples every time."""
    calm = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    more = int(os.environ.get("FUZZ", 1))  # how many times as many examples, and then other ones every time
    return settings(
        derandomize=more == 1,
        max_examples=times * more,
        deadline=None,
        database=None,
        suppress_health_check=calm,
        print_blob=False,
    )


# --- a place that is watched ---------------------------------------------------------------------------------------------------


opened = None  # a list, while somebody watches


def watch(event, arguments):
    if event == "open" and opened is not None and isinstance(arguments[0], str | bytes):
        opened.append(os.fsdecode(arguments[0]))


sys.addaudithook(watch)  # for good: there is no way to take it away


class Place:
    """A folder for data, and beside it one that nobody is to look into, with a picture and with a mark that code would leave."""

    def __init__(self, root):
        self.root, self.data, self.outside = (Path(os.path.realpath(root)) / name for name in ("", "data", "outside"))
        self.canary, self.mark = self.outside / "canary.png", self.outside / "mark"
        for folder in (self.data / "below", self.outside / "below"):
            folder.mkdir(parents=True)
        for file in ("data/cat.png", "data/below/dog.png", "outside/canary.png", "outside/cat.png"):
            Image.new("RGB", (8, 6), "red").save(self.root / file)
        self.links = {"file link": self.canary, "link out": self.outside / "below", "link in": self.data / "below"}
        with contextlib.suppress(OSError):  # on Windows not everybody may
            for name, target in self.links.items():
                (self.data / name).symlink_to(target, target_is_directory=target.is_dir())

    def listing(self):
        files = [Path(folder) / name for folder, folders, names in os.walk(self.root) for name in folders + names]
        return {file: (file.lstat().st_size, file.lstat().st_mtime_ns) for file in files}

    @contextlib.contextmanager
    def watched(self):
        """Within, nothing outside of the data is opened, and nothing is made or changed."""
        global opened
        before, opened = self.listing(), []
        try:
            yield
        finally:
            files, opened = opened, None
        real = [Path(os.path.realpath(file)) for file in files]
        assert [file for file in real if file.is_relative_to(self.outside)] == []
        assert self.listing() == before and not self.mark.exists()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("fuzz"))


def sentence(error):
    told = str(error)
    assert told.strip() and "Traceback" not in told
    return told


@st.composite
def mutated(draw, wholes):
    """One of these files, damaged in a few places."""
    content = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, 5))):
        size = len(content)
        start = draw(st.integers(0, min(100, size)) | st.integers(0, size))
        length = draw(st.integers(0, 8) | st.integers(0, size))
        match draw(st.sampled_from(["flip", "write", "cut", "insert", "splice", "double", "leave out"])):
            case "flip" if start < size:
                content[start] ^= 1 << draw(st.integers(0, 7))
            case "write":
                new = draw(st.binary(max_size=4) | st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"]))
                content[start : start + len(new)] = new
            case "cut":
                del content[start:]
            case "insert":
                content[start:start] = draw(st.binary(max_size=20))
            case "splice":
                other = draw(st.sampled_from(wholes))
                content[start : start + length] = other[start : start + length]
            case "double":
                content[start:start] = content[start : start + length]
            case "leave out":
                del content[start : start + length]
    return bytes(content)


# --- JSON --------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer():
    torch.set_num_threads(1)
    return load_gpt2("pocket")[1]


LETTERS = st.text(st.characters(), max_size=12)  # with halves of characters
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | LETTERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(LETTERS, inner, max_size=4),
    max_leaves=12,
)
STEPS = [
    "..",
    ".",
    "",
    "cat.png",
    "dog.png",
    "below",
    "file link",
    "link out",
    "link in",
    "outside",
    "canary.png",
    "data",
]
PATHS = st.one_of(
    st.sampled_from(
        [
            "cat.png",
            "below/dog.png",
            "link in/dog.png",
            "link out/../cat.png",
            "file link",
            "a\0b",
            "x" * 300,
            "x/" * 3000,
            "C:cat.png",
        ]
    ),
    st.lists(st.sampled_from(STEPS), max_size=6).map("/".join),
    st.lists(st.sampled_from([*STEPS, "{outside}", "{data}"]), max_size=4).map(
        lambda steps: "/".join(["{data}", *steps])
    ),
    LETTERS,
)
ENTRIES = st.one_of(
    st.fixed_dictionaries({"image_path": PATHS, "text": LETTERS | st.just("a cat.")}),
    st.fixed_dictionaries({"image_path": PATHS, "text": st.just("a cat.")}),
    st.fixed_dictionaries({}, optional={"image_path": PATHS | VALUES, "text": LETTERS | VALUES, "more": VALUES}),
    VALUES,
)


def all_of(place, tokenizer, content):
    """Every item of this data, or None where the data were refused."""
    file = place.data / "data.json"
    file.write_bytes(content)
    with place.watched():
        try:
            items = list(VLMDataset(file, tokenizer))
        except ValueError as error:
            assert sentence(error).startswith(str(file))
            return None
    for picture, ids in items:
        assert picture.mode == "RGB" and ids.dtype == torch.long and len(ids) > 1
    return items


@tried(150)
@given(st.binary(max_size=60) | mutated([json.dumps([{"image_path": "cat.png", "text": "a 猫."}] * 2).encode()]))
def test_arbitrary_bytes_are_data_or_are_refused(place, tokenizer, content):
    all_of(place, tokenizer, content)


@tried(150)
@given(VALUES)
def test_arbitrary_json_is_data_or_is_refused(place, tokenizer, value):
    all_of(place, tokenizer, json.dumps(value).encode())


@tried(400)
@given(st.lists(ENTRIES, min_size=1, max_size=3))
def test_entries_that_are_nearly_right_are_data_or_are_refused(place, tokenizer, entries):
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("image_path"), str):
            for name in ("data", "outside"):
                entry["image_path"] = entry["image_path"].replace(f"{{{name}}}", str(getattr(place, name)))
    all_of(place, tokenizer, json.dumps(entries).encode())


@tried(100)
@given(st.lists(st.tuples(st.sampled_from(["cat.png", "below/dog.png"]), st.text(min_size=1)), min_size=1))
def test_right_entries_with_any_text_are_data(place, tokenizer, entries):
    right = [{"image_path": path, "text": text} for path, text in entries if text.strip()]
    if right:
        items = all_of(place, tokenizer, json.dumps(right, ensure_ascii=False).encode())
        assert len(items) == len(right)


# --- pictures ------------------------------------------------------------------------------------------------------------------------


def saved(picture, kind, **how):
    content = io.BytesIO()
    picture.save(content, kind, **how)
    return content.getvalue()


def some_pictures():
    noise = np.random.default_rng(0).integers(0, 255, (10, 12, 4), dtype=np.uint8)
    clear, colour = Image.fromarray(noise), Image.fromarray(noise[..., :3])
    few, deep = colour.quantize(8), Image.fromarray(noise.view(np.uint32)[..., 0].astype(np.uint16))
    frames = {"save_all": True, "append_images": [few.transpose(Image.Transpose.ROTATE_180)] * 2}
    notes = Image.Exif()
    notes[0x0112], notes[0x010E], notes[0x9286] = 6, "a cat", b"nothing more"
    wholes = [saved(picture, "PNG") for picture in (clear, colour, few, deep, clear.convert("LA"), colour.convert("1"))]
    wholes += [saved(colour, "PNG", exif=notes), saved(few, "PNG", transparency=0), saved(few, "PNG", **frames)]
    wholes += [saved(colour, "JPEG", exif=notes), saved(colour, "JPEG", progressive=True)]
    wholes += [saved(colour.convert(mode), "JPEG") for mode in ("L", "CMYK")]
    wholes += [saved(few, "GIF", transparency=0), saved(few, "GIF", **frames)]
    wholes += [saved(picture, "BMP") for picture in (colour, few, colour.convert("1"), clear)]
    for way in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        wholes.append(saved(colour, "TIFF", compression=way, exif=notes))
    wholes += [saved(picture, "TIFF") for picture in (deep, few, clear, colour.convert("CMYK"), colour.convert("F"))]
    wholes += [saved(colour.convert("1"), "TIFF", compression="group4"), saved(few, "TIFF", **frames)]
    if features.check("webp"):
        wholes += [saved(clear, "WEBP", lossless=True), saved(colour, "WEBP", exif=notes), saved(few, "WEBP", **frames)]
    if features.check("avif"):
        wholes += [saved(colour, "AVIF", exif=notes)]
    return wholes


PICTURES = some_pictures()
MAGIC = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"BM", b"II+\0"]
MAGIC += [
    b"RIFF\x80\0\0\0WEBPVP8 ",
    b"RIFF\x80\0\0\0WEBPVP8X",
    b"\0\0\0\x1cftypavif",
    b"%!PS-Adobe-3.0 EPSF-3.0",
    b"P6 ",
]
IHDR = [struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", 9, 9) + bytes((8, 2, 0, 0, 0)) + b"\0\0\0\0"]


def mended(content):
    """The same with right check sums where it is a PNG: without these nothing further would be looked at."""
    if content[:8] != MAGIC[0]:
        return content
    place, parts = 8, [content[:8]]
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        chunk = content[place + 4 : place + 8 + length]
        parts.append(content[place : place + 4] + chunk + struct.pack(">I", zlib.crc32(chunk)))
        place += 12 + length
    return b"".join(parts)


ABSURD_OFFSET = b"II+\0" + b"\0" * 11 + b"\1"  # a TIFF that goes on where the system refuses to go

DAMAGED = mutated(PICTURES) | mutated(PICTURES).map(mended)
DAMAGED |= st.builds(lambda start, rest: mended(start + rest), st.sampled_from(MAGIC), st.binary(max_size=90))


def test_the_pictures_are_right_before_they_are_damaged():
    for whole in PICTURES:
        assert open_picture(io.BytesIO(whole)).size in ((12, 10), (10, 12)) and mended(whole) == whole


@tried(1200)
@given(DAMAGED)
@example(ABSURD_OFFSET)
def test_a_damaged_picture_is_opened_or_is_a_bad_picture(place, content):
    """From a file as from memory: the system refuses to seek before the beginning of a file in its own way."""
    file = place.data / "damaged"
    file.write_bytes(content)
    found = []
    for source in (file, io.BytesIO(content)):
        try:
            picture = open_picture(source)
        except BadPicture as error:
            assert sentence(error)
            found.append(None)
        else:
            assert picture.mode == "RGB" and picture.width * picture.height <= 50e6
            found.append(picture.tobytes())
    assert found[0] == found[1]


@tried(150)
@given(DAMAGED)
def test_damaged_pictures_are_data_or_are_refused(place, tokenizer, content):
    (place.data / "damaged").write_bytes(content)
    entries = [{"image_path": path, "text": "a cat."} for path in ("cat.png", "damaged")]
    items = all_of(place, tokenizer, json.dumps(entries).encode())
    assert items is None or len(items) == 2


# --- what a captioner has learned -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learned(tokenizer, place):
    return Learned(vlm(small_gpt2(tokenizer), tokenizer, load_clip("pocket")[1]), place)


class Learned:
    """A model that takes files, and by name those that it should take. Of its own, since hypothesis prints what it was given."""

    def __init__(self, model, place):
        self.model, self.place, self.file = model, place, place.data / "learned"
        self.files, self.parts = {}, {}
        for name, save in (("whole", model.save), ("prompt", model.save_prompt)):
            save(self.file)
            self.files[name], self.parts[name] = self.file.read_bytes(), read_tensors(self.file)
        for name, new in (("zip", True), ("legacy", False)):
            self.files[name] = kept_by_torch(of_the_seed(model), _use_new_zipfile_serialization=new)

    def state(self):
        return [self.model.get_parameter(name).detach().clone() for name in PARTS]

    def takes(self, content, way="load"):
        """Whether the model takes this file; afterwards it is as it was before."""
        before, took = self.state(), False
        self.file.write_bytes(content)
        with self.place.watched():
            try:
                assert getattr(self.model, way)(self.file) is self.model
                took = True
            except (ValueError, OSError) as error:
                assert "learned" in sentence(error)
                assert all(map(torch.equal, before, self.state()))
            try:
                assert learned_from(self.file)[0] in ("patches", "pooled")
            except (ValueError, OSError) as error:
                assert "learned" in sentence(error)
        after = self.state()
        self.model._take_prompt(before[0])
        training.restore_parameters({name: self.model.get_parameter(name) for name in PARTS}, dict(zip(PARTS, before)))
        assert all(tensor.isfinite().all() and tensor.dtype == torch.float32 for tensor in after)
        assert [tensor.shape[1:] for tensor in after] == [tensor.shape[1:] for tensor in before]
        return took

    def reads(self, content):
        for way in ("load", "load_prompt"):
            self.takes(content, way)


def of_the_seed(model, **parts):
    """What the script that the course grew from saved."""
    prompt = {"prompt_embeddings": model.soft_prompt.prompt_embeddings.detach(), "prompt_token_ids": torch.arange(3)}
    projection = {name: tensor.detach() for name, tensor in model.vision_projection.named_parameters()}
    states = {"soft_prompt_state_dict": prompt, "vision_projection_state_dict": projection}
    return states | {"model_config": {"prompt_length": 3, "names": ["clip", "gpt2"]}} | parts


def test_the_files_are_taken_before_they_are_damaged(learned):
    for name, content in learned.files.items():
        assert learned.takes(content, "load_prompt" if name == "prompt" else "load")


@tried(200)
@given(st.data())
def test_damaged_files_are_taken_or_refused(learned, data):
    learned.reads(data.draw(mutated([learned.files[name] for name in ("whole", "prompt")])))


@tried(150)
@given(st.data())
def test_damaged_torch_files_are_taken_or_refused(learned, data):
    learned.reads(data.draw(mutated([learned.files[name] for name in ("zip", "legacy")])))


@tried(60)
@given(st.binary(max_size=60), st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02\x8a\x0a", b"\x40" + b"\0" * 7 + b"{"]))
def test_arbitrary_bytes_are_refused(learned, content, start):
    assert not learned.takes(start + content) and not learned.takes(start + content, "load_prompt")


DTYPES = [
    "F64",
    "F32",
    "F16",
    "BF16",
    "F8_E4M3",
    "F8_E5M2",
    "F8_E8M0",
    "F6_E2M3",
    "F4",
    "I64",
    "U8",
    "BOOL",
    "C64",
    "F",
]
WHERE = st.sampled_from(["__metadata__", *PARTS, "prompt_embeddings"])
WHAT = st.sampled_from(["dtype", "shape", "data_offsets", "format", "models", "vision_features", "projection"])
NUMBERS = st.lists(st.integers(-1, 200) | st.sampled_from([0, 24, 16, 2**31, 2**63, 2**64]), max_size=3)
SOMETHING = st.one_of(st.sampled_from(DTYPES), NUMBERS, VALUES)


@tried(250)
@given(
    st.sampled_from(["whole", "prompt"]), st.lists(st.tuples(WHERE, WHAT | LETTERS, SOMETHING), min_size=1, max_size=4)
)
def test_files_with_any_header_are_taken_or_refused(learned, name, changes):
    content = learned.files[name]
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    for where, what, value in changes:
        header.setdefault(where, {})[what] = value
    new = json.dumps(header).encode()
    learned.reads(len(new).to_bytes(8, "little") + new + content[8 + length :])


def odd_tensors(shape):
    """Tensors of about this shape, of every kind of number."""
    shapes = st.sampled_from([shape, shape, shape[::-1], (*shape, 1), (0, *shape[1:]), (2, *shape[1:]), shape[:1], ()])
    floats = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2]
    dtypes = st.sampled_from([*floats, torch.int64, torch.uint8, torch.bool, torch.complex64])
    fills = st.sampled_from([0.0, 1.5, float("nan"), float("inf"), -float("inf"), 60000.0])
    huge = st.just(torch.full(shape, 1e300, dtype=torch.float64))  # finite, and not in fp32
    return st.builds(lambda size, dtype, fill: torch.full(size, fill).to(dtype), shapes, dtypes, fills) | huge


NOTES = st.one_of(
    st.text(max_size=12),
    VALUES.map(json.dumps),
    st.sampled_from(["", "null", "[" * 50_000, "9" * 5000, '{"a": ' * 20_000]),
)
MODEL_NOTES = st.dictionaries(
    st.sampled_from(["vision", "language"]),
    st.dictionaries(st.sampled_from(["model", "fingerprint", "width"]), VALUES) | VALUES,
).map(json.dumps)


@tried(250)
@given(st.data())
def test_files_with_any_tensors_and_notes_are_taken_or_refused(learned, data):
    name = data.draw(st.sampled_from(["whole", "prompt"]))
    tensors, notes = (dict(each) for each in learned.parts[name])
    for part in list(tensors):
        if data.draw(st.booleans()):
            tensors[part] = data.draw(odd_tensors(tuple(tensors[part].shape)))
        elif data.draw(st.integers(0, 5)) == 0:
            del tensors[part]
    for note in list(notes):
        if data.draw(st.integers(0, 3)) == 0:
            notes[note] = data.draw(NOTES | MODEL_NOTES | st.sampled_from([WHOLE, PROMPT, "pooled of layer -1"]))
        elif data.draw(st.integers(0, 5)) == 0:
            del notes[note]
    tensors["more"] = torch.ones(2)
    learned.reads(safetensors.torch.save(tensors, metadata=notes))


def kept_by_torch(whole, **how):
    content = io.BytesIO()
    torch.save(whole, content, **how)
    return content.getvalue()


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | LETTERS | odd_tensors((3, 24))
KEYS = st.one_of(
    LETTERS, st.integers(), st.none(), st.sampled_from(["soft_prompt_state_dict", "weight", "bias", (1, "a")])
)
NESTED = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


@tried(120)
@given(st.data())
def test_torch_files_of_anything_plain_are_taken_or_refused(learned, data):
    whole = of_the_seed(learned.model)
    for part in ("soft_prompt_state_dict", "vision_projection_state_dict"):
        match data.draw(st.integers(0, 5)):
            case 0:
                whole[part] = data.draw(NESTED)
            case 1:
                del whole[part]
            case 2 | 3:
                name = data.draw(st.sampled_from(list(whole[part])))
                whole[part][name] = data.draw(odd_tensors(tuple(whole[part][name].shape)) | NESTED)
    whole = data.draw(NESTED) if data.draw(st.integers(0, 5)) == 0 else whole
    learned.reads(kept_by_torch(whole, _use_new_zipfile_serialization=data.draw(st.booleans())))


class Made:
    """Pickled as a call of something, and then what it gives is filled."""

    def __init__(self, call, *arguments, filled=None):
        self.reduced = (call, arguments) if filled is None else (call, arguments, filled)

    def __reduce__(self):
        return self.reduced


def marked(prompt):
    prompt.isfinite = 3
    return prompt


ODD = {
    "sparse": lambda prompt: prompt.to_sparse(),
    "sparse rows": lambda prompt: prompt.to_sparse_csr(),
    "without numbers": lambda prompt: prompt.to("meta"),
    "terabytes that repeat one row": lambda prompt: prompt[:1].expand(10**11, -1),
    "nested": lambda prompt: torch.nested.nested_tensor([prompt, prompt]),
    "with an attribute in the place of a method": marked,
    "too large for fp32": lambda prompt: prompt.double() * 1e300,
}


@pytest.mark.filterwarnings("ignore:Sparse CSR", "ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("kind", ODD)
def test_an_odd_tensor_in_a_torch_file_is_refused(learned, kind):
    odd = {"prompt_embeddings": ODD[kind](learned.state()[0])}
    assert not learned.takes(kept_by_torch(of_the_seed(learned.model, soft_prompt_state_dict=odd)))


def test_a_dictionary_with_an_attribute_in_the_place_of_a_method_is_refused(learned):
    odd = Made(collections.OrderedDict, filled={"items": 3})
    assert not learned.takes(kept_by_torch(of_the_seed(learned.model, soft_prompt_state_dict=odd)))


def files_with_code(learned):
    """By name, files that would touch the mark if what is in them was run."""
    bomb, magic = Made(Path.touch, learned.place.mark), torch.serialization.MAGIC_NUMBER
    inside = of_the_seed(learned.model, model_config={"names": [bomb]})
    for where, whole in (("alone", bomb), ("inside", inside)):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            yield f"pickle {protocol}, {where}", pickle.dumps(whole, protocol)
        for protocol in range(2, 6):
            yield f"zip {protocol}, {where}", kept_by_torch(whole, pickle_protocol=protocol)
        yield f"legacy, {where}", kept_by_torch(whole, _use_new_zipfile_serialization=False)
    for place in range(4):
        parts = [magic, torch.serialization.PROTOCOL_VERSION, {"little_endian": True}, inside]
        parts[place] = bomb
        yield f"legacy, part {place}", b"".join(pickle.dumps(part, 2) for part in parts)
    start = pickle.dumps(magic, 2)[:-1]  # without its end
    yield "behind the number of torch", start + b"0" + pickle.dumps(bomb, 2)[2:]
    for name in ("data.pkl", "constants.pkl", "version", "byteorder"):
        yield f"zip with another {name}", with_file(learned.files["zip"], name, pickle.dumps(bomb, 2))


def with_file(archive, name, content):
    new = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(new, "w") as zipped:
        folder = old.namelist()[0].partition("/")[0]
        for each in old.namelist():
            if each != f"{folder}/{name}":
                zipped.writestr(each, old.read(each))
        zipped.writestr(f"{folder}/{name}", content)
    return new.getvalue()


def test_code_in_a_file_is_never_run(learned):
    for name, content in files_with_code(learned):
        assert not learned.takes(content), name
        assert not learned.takes(content, "load_prompt"), name


def test_code_in_a_damaged_file_is_not_run_either(learned):
    files = [content for _, content in files_with_code(learned)]

    @tried(150)
    @given(mutated(files))
    def damaged(content):
        learned.reads(content)

    damaged()


def test_the_code_would_run(learned):
    """Else it would prove nothing that it does not."""
    for name, content in files_with_code(learned):
        if name.startswith(("pickle", "zip 2", "legacy, in")):
            with contextlib.suppress(Exception):
                torch.load(io.BytesIO(content), weights_only=False)
            with contextlib.suppress(Exception):
                pickle.loads(content)
            assert learned.place.mark.exists(), name
            learned.place.mark.unlink()


# --- the command line --------------------------------------------------------------------------------------------------------------------


def told(*arguments):
    """What the command says went wrong; it says nothing else on stderr, and no file of a run is left."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        status = soft_prompt_finetune.main([str(argument) for argument in arguments])
    text = said.getvalue().rpartition("\r")[2]  # behind a bar of progress
    assert status == 1 and text.strip() and "Traceback" not in text
    return text.strip()


ENTRY = {"image_path": "cat.png", "text": "a cat."}
BAD_DATA = {
    b"[": "is no JSON: Expecting value in line 1, column 2",
    b"[" * 100_000: "nested too deep",
    b"\xff\xfe[": "is not UTF-8 (line 1, byte 1 of the file)",
    b"{}": "holds an object, no list",
    json.dumps([ENTRY, ENTRY | {"text": ""}]).encode(): ', entry 2: "text" is empty',
    json.dumps([ENTRY, ENTRY | {"image_path": "no.png"}]).encode(): ', entry 2: no file "no.png"',
    json.dumps(
        [ENTRY, ENTRY | {"image_path": "../outside/canary.png"}]
    ).encode(): ', entry 2: "../outside/canary.png" leaves',
    json.dumps([ENTRY, {"image_path": "text"}]).encode(): ', entry 2: "text" is no picture',
}


@pytest.mark.parametrize("option", ["--data", "--validation"])
@pytest.mark.parametrize("content", BAD_DATA, ids=range(len(BAD_DATA)))
def test_the_command_tells_what_is_wrong_with_data_and_makes_no_folder(place, tmp_path, monkeypatch, content, option):
    monkeypatch.chdir(tmp_path)
    file = place.data / "data.json"
    file.write_bytes(content)
    (place.data / "text").write_text("a cat.")
    right = [] if option == "--data" else ["--data", ROOT / "data" / "captions" / "validation.json"]
    with place.watched():
        message = told(*right, option, file, "--output", tmp_path / "run")
    assert BAD_DATA[content] in message and str(file) in message
    assert list(tmp_path.iterdir()) == []


def test_the_command_tells_that_one_picture_is_too_few(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (place.data / "data.json").write_text(json.dumps([ENTRY] * 3))
    assert "there is one picture only" in told("--data", place.data / "data.json", "--output", tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_the_command_tells_that_a_file_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for option in ("--data", "--evaluate"):
        for name in ("nowhere", "."):
            message = told(option, tmp_path / name, "--output", tmp_path / "run")
            assert str(tmp_path / name) in message and len(message.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@tried(25)
@given(st.lists(ENTRIES, max_size=3).map(lambda entries: json.dumps(entries).encode()) | st.binary(max_size=40))
def test_the_command_refuses_any_json_in_a_sentence(place, content):
    file, run = place.data / "data.json", place.root / "run"
    # one picture alone is never enough to learn from, whatever else is right
    file.write_bytes(content.replace(b"dog.png", b"cow.png"))
    with place.watched():
        message = told("--data", file, "--output", run)
    assert "one picture only" in message or str(file) in message
    assert not run.exists()


def bad_checkpoints():
    tensors, notes = read_tensors(CAPTIONER)
    prompt = PARTS[0]
    kept = safetensors.torch.save
    yield "text", b"a cat."
    yield "cut off", CAPTIONER.read_bytes()[:5000]
    yield "without notes", kept(tensors)
    yield "of a prompt", kept(tensors, metadata=notes | {"format": PROMPT})
    yield "without a projection", kept({prompt: tensors[prompt]}, metadata=notes)
    yield "not a number", kept(tensors | {prompt: tensors[prompt] * float("nan")}, metadata=notes)
    yield "of another width", kept(tensors | {prompt: torch.ones(3, 7)}, metadata=notes)
    yield "of other models", kept(tensors, metadata=notes | {"models": notes["models"].replace("9f86", "9f87")})
    yield "notes without end", kept(tensors, metadata=notes | {"models": "[" * 100_000})
    yield "from a layer that is not there", kept(tensors, metadata=notes | {"vision_features": "patches of layer 9"})
    yield "longer than the language model reads", kept(tensors | {prompt: torch.ones(2000, 192)}, metadata=notes)
    yield "code", kept_by_torch(Made(print, "it was run"))
    yield "of another torch model", kept_by_torch(torch.nn.Linear(2, 2).state_dict())


@pytest.mark.parametrize("way", ["--evaluate", "--generate"])
@pytest.mark.parametrize("name", [name for name, _ in bad_checkpoints()])
def test_the_command_tells_what_is_wrong_with_a_checkpoint(tmp_path, monkeypatch, capfd, name, way):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "learned.safetensors"
    file.write_bytes(dict(bad_checkpoints())[name])
    picture = ROOT / "data" / "captions" / "images" / "test-0001.png"
    more = ["--generate", picture] if way == "--generate" else []
    message = told("--evaluate", file, *more, "--output", tmp_path / "run")
    assert len(message.splitlines()) == 1 and "it was run" not in capfd.readouterr().out
    assert [each.name for each in tmp_path.iterdir()] == ["learned.safetensors"]


NO_PICTURES = {
    "empty": b"",
    "text": b"a cat.",
    "cut off": PICTURES[0][:-40],
    "with an absurd offset": ABSURD_OFFSET,
    "not there": None,
}


@pytest.mark.parametrize("content", NO_PICTURES.values(), ids=NO_PICTURES)
def test_the_command_tells_what_is_wrong_with_a_picture(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("cat.png").write_bytes(content)
    right = ROOT / "data" / "captions" / "images" / "test-0001.png"
    message = told("--generate", right, "cat.png", "--evaluate", CAPTIONER)
    assert "cat.png" in message and len(message.splitlines()) == 1
    assert [each.name for each in tmp_path.iterdir()] == ([] if content is None else ["cat.png"])
