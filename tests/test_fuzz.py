"""Whatever is in other people's files, they are read or refused in a sentence; nothing else is opened, and nothing made, changed or run."""

import collections
import contextlib
import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, configuration, given, settings
from hypothesis import strategies as st
from PIL import Image, features
from test_captioner import small_gpt2, vlm
from test_files import files_with_code

import soft_prompt_finetune
from helpers.data import VLMDataset
from helpers.files import read_tensors
from helpers.pictures import BadPicture, open_picture
from helpers.pretrained import load_clip, load_language_model

CAPTIONER = Path(__file__).parents[1] / "data" / "captioner" / "captioner.safetensors"
configuration.set_hypothesis_home_dir(os.environ["COURSE_CACHE"])  # it would leave a folder in ours
CALM = settings(deadline=None, database=None, derandomize=True, suppress_health_check=[*HealthCheck])
many = pytest.mark.parametrize("times", [1, pytest.param(10, marks=pytest.mark.slow)])  # course.py test --all


def tries(check, strategy, examples):
    """The same examples every time."""
    settings(CALM, max_examples=examples)(given(strategy)(lambda one: (check(one), None)[1]))()


opened = collections.deque(maxlen=10_000)
sys.addaudithook(lambda event, facts: event == "open" and opened.append(facts[0]))  # for good: no way to take it away


class Place:
    """A folder for data, and beside it one that nobody is to look into, with a picture and with a mark that code would leave."""

    def __init__(self, root):
        self.root, self.data, self.outside = (Path(os.path.realpath(root)) / name for name in ("", "data", "outside"))
        self.mark, self.tokenizer = self.outside / "mark", load_language_model("pocket")[1]
        for file in ("data/cat.png", "data/below/dog.png", "outside/canary.png", "outside/below/cat.png"):
            (self.root / file).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 6), "red").save(self.root / file)
        with contextlib.suppress(OSError):  # on Windows not everybody may
            for name, target in {"file": "outside/canary.png", "out": "outside/below", "in": "data/below"}.items():
                (self.data / f"link {name}").symlink_to(self.root / target, target_is_directory="." not in target)

    def listing(self):
        return {file: (file.lstat().st_size, file.lstat().st_mtime_ns) for file in self.root.rglob("*")}

    @contextlib.contextmanager
    def watched(self):
        """Within, nothing outside of the data is opened, and nothing is made or changed."""
        before = self.listing()
        opened.clear()
        yield
        files = [os.path.realpath(os.fsdecode(file)) for file in opened if isinstance(file, str | bytes)]
        assert [file for file in files if Path(file).is_relative_to(self.outside)] == []
        assert self.listing() == before and not self.mark.exists()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("fuzz"))


@st.composite
def damaged(draw, wholes):
    """One of these files, changed in a few places, and perhaps cut off."""
    content = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, min(100, len(content))) | st.integers(0, len(content)))
        length = draw(st.integers(0, 8) | st.integers(0, len(content)))
        new = draw(st.binary(max_size=20) | st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"]))
        old, other = content[start : start + length], draw(st.sampled_from(wholes))[start : start + length]
        overwritten = (new, content[start : start + len(new)])
        put, instead_of = draw(st.sampled_from([overwritten, (new, b""), (other, old), (old, b""), (b"", old)]))
        content[start : start + len(instead_of)] = put
    return bytes(content[: draw(st.none() | st.integers(0, len(content)))])


ENTRY = {"image_path": "cat.png", "text": "a cat."}
LETTERS = st.text(st.characters(), max_size=12)  # with halves of characters
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | LETTERS
VALUES = st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(LETTERS, inner), max_leaves=8)
STEPS = ".. . cat.png dog.png below link_in link_out link_file outside canary.png data DATA OUTSIDE".split()
ODD_PATHS = ["below/dog.png", "link in/dog.png", "link out/../cat.png", "link file", "a\0b", "x/" * 3000, "C:cat.png"]
JOINED = st.lists(st.sampled_from(STEPS), max_size=6).map(lambda steps: "/".join(steps).replace("_", " "))
PATHS = st.sampled_from(ODD_PATHS) | LETTERS | JOINED
NEARLY = {"image_path": PATHS | VALUES, "text": LETTERS | st.just("a cat.") | VALUES, "more": VALUES}
ENTRIES = st.fixed_dictionaries({"image_path": PATHS, "text": st.just("a cat.")})
ENTRIES |= st.fixed_dictionaries({}, optional=NEARLY) | VALUES
JSON = st.lists(ENTRIES, max_size=3) | VALUES | st.binary(max_size=60) | damaged([json.dumps([ENTRY] * 2).encode()])


def written(place, content):
    """The file with this JSON, in which two words stand for the folders."""
    if not isinstance(content, bytes):
        content = json.dumps(content).replace("DATA", str(place.data)).replace("OUTSIDE", str(place.outside)).encode()
    (place.data / "data.json").write_bytes(content)
    return place.data / "data.json"


def are_data(place, content):
    """Whether every item of this data can be read; else they are refused."""
    file = written(place, content)
    with place.watched():
        try:
            items = list(VLMDataset(file, place.tokenizer))
        except ValueError as error:
            assert str(error).startswith(str(file))
            return False
    assert all(picture.mode == "RGB" and ids.dtype == torch.long and len(ids) > 1 for picture, ids in items)
    return True


@many
def test_any_json_is_data_or_is_refused_and_no_path_leaves_the_folder(place, times):
    assert are_data(place, [ENTRY, {"image_path": "below/dog.png", "text": "\ud83d\ude00 猫\n\0\u202e"}])
    tries(lambda content: are_data(place, content), JSON, 150 * times)


def some_pictures():
    noise = np.random.default_rng(0).integers(0, 255, (10, 12, 4), dtype=np.uint8)
    clear, colour, notes = Image.fromarray(noise), Image.fromarray(noise[..., :3]), Image.Exif()
    few, deep = colour.quantize(8), Image.fromarray(noise.view(np.uint32)[..., 0].astype(np.uint16))
    frames = {"save_all": True, "append_images": [few.transpose(Image.Transpose.ROTATE_180)] * 2}
    notes[0x0112], notes[0x010E], notes[0x9286] = 6, "a cat", b"nothing more"
    kinds = {"PNG": [clear, few, deep], "BMP": [clear, colour, few], "GIF": [few], "JPEG": [colour.convert("CMYK")]}
    kinds |= {kind: [clear, colour] for kind in ("WEBP", "AVIF") if features.check(kind.lower())}
    kinds |= {"TIFF": [deep, few, colour.convert("1"), colour.convert("F")]}
    saves = [(kind, picture, {}) for kind, pictures in kinds.items() for picture in pictures]
    saves += [("TIFF", colour, {"compression": way}) for way in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")]
    saves += [("PNG", colour, {"exif": notes}), ("JPEG", colour, {"exif": notes, "progressive": True})]
    saves += [(kind, few, frames) for kind in ("PNG", "GIF", "TIFF")]
    for kind, picture, how in saves:
        picture.save(content := io.BytesIO(), kind, **how)
        yield content.getvalue()


PICTURES = [*some_pictures()]
ABSURD_OFFSET = b"II+\0" + b"\0" * 11 + b"\1"  # a TIFF that goes on where the system refuses to go
STARTS = st.sampled_from([whole[:16] for whole in PICTURES] + [b"%!PS-Adobe-3.0 EPSF-3.0", b"P6 ", b"II+\0"])


@many
def test_a_damaged_picture_is_opened_or_is_a_bad_picture_and_no_data(place, times):
    """From a file as from memory: the system refuses to seek before the beginning of a file in its own way."""

    def check(content):
        file, found = place.data / "damaged", []
        file.write_bytes(content)
        for source in (file, io.BytesIO(content)):
            try:
                picture = open_picture(source)
                assert picture.mode == "RGB" and picture.width * picture.height <= 50e6
                found.append(picture.tobytes())
            except BadPicture as error:
                assert str(error).strip()
                found.append(None)
        assert found[0] == found[1]
        assert are_data(place, [ENTRY, ENTRY | {"image_path": "damaged"}]) == (found[0] is not None)

    assert all(open_picture(io.BytesIO(whole)).size in ((12, 10), (10, 12)) for whole in PICTURES)
    check(ABSURD_OFFSET)
    tries(check, damaged(PICTURES) | st.builds(bytes.__add__, STARTS, st.binary(max_size=90)), 200 * times)


def by_torch(whole, **how):
    torch.save(whole, content := io.BytesIO(), **how)
    return content.getvalue()


class Learned:
    """A model that takes files, and by name those that it should take."""

    def __init__(self, model, place):
        self.model, self.place, self.file, self.files, self.parts = model, place, place.data / "learned", {}, {}
        for name, save in (("prompt", model.save_prompt), ("whole", model.save)):
            save(self.file)
            self.files[name], self.parts[name] = self.file.read_bytes(), read_tensors(self.file)
        self.files |= {new: by_torch(self.of_the_seed(), _use_new_zipfile_serialization=new) for new in (True, False)}

    def state(self):
        return {name: self.model.get_parameter(name).detach().clone() for name in self.parts["whole"][0]}

    def of_the_seed(self, **parts):
        """What the script that the course grew from saved."""
        prompt, *projection = [(name.rpartition(".")[2], value) for name, value in sorted(self.state().items())]
        states = {"soft_prompt_state_dict": dict([prompt]), "vision_projection_state_dict": dict(projection)}
        return states | {"model_config": {"prompt_length": 3, "names": ["clip", "gpt2"]}} | parts

    def takes(self, content):
        """Whether the model takes this file, as a whole or as a prompt; afterwards it is as it was before."""
        before, took, features = self.state(), False, (self.model.vision_features, self.model.vision_layer)
        for load in (self.model.load, self.model.load_prompt):
            self.file.write_bytes(content)
            with self.place.watched():
                try:
                    took |= load(self.file) is self.model
                except (ValueError, OSError) as error:
                    assert "learned" in str(error) and "Traceback" not in str(error)
                    assert all(torch.equal(value, before[name]) for name, value in self.state().items())
            for name, value in self.state().items():
                assert value.isfinite().all() and value.dtype == torch.float32
                assert value.shape[1:] == before[name].shape[1:]
            self.model.vision_features, self.model.vision_layer = features
            self.file.write_bytes(self.files["whole"])
            self.model.load(self.file)
        return took


@pytest.fixture(scope="module")
def learned(place):
    return Learned(vlm(small_gpt2(place.tokenizer), place.tokenizer, load_clip("pocket")[1]), place)


KINDS = "float64 float16 bfloat16 float8_e5m2 int64 bool complex64"
ODD = [
    lambda prompt: prompt.to_sparse(),
    lambda prompt: prompt.to("meta"),
    lambda prompt: prompt[:1].expand(10**11, -1),  # terabytes
    lambda prompt: vars(prompt).update(isfinite=3) or prompt,
    lambda prompt: prompt.double() * 1e300,  # too large for fp32
]


@st.composite
def nearly_learned(draw, learned):
    """A file of each format with tensors and notes that are nearly right, or anything in their place."""

    def changed(tensor, otherwise):
        shape, fill = tuple(tensor.shape), draw(st.sampled_from([0.0, 1.5, float("nan"), float("inf"), 60000.0]))
        shape = draw(st.sampled_from([shape, shape[::-1], (*shape, 1), (0, *shape[1:]), ()]))
        odd = torch.full(shape, fill).to(getattr(torch, draw(st.sampled_from(KINDS.split()))))
        return draw(st.sampled_from([tensor, tensor, odd, draw(otherwise)]))

    if draw(st.booleans()):
        tensors, notes = learned.parts[draw(st.sampled_from(["whole", "prompt"]))]
        strange = st.text(max_size=12) | VALUES.map(json.dumps) | st.sampled_from(["[" * 50_000, "pooled of layer -1"])
        notes = {note: draw(st.just(text) | st.just(text) | strange) for note, text in notes.items()}
        none = st.builds(torch.ones, st.just(0))
        return safetensors.torch.save({name: changed(each, none) for name, each in tensors.items()}, metadata=notes)
    whole = learned.of_the_seed()
    for part in [part for name, part in whole.items() if "state" in name]:
        part |= {name: changed(each, VALUES) for name, each in part.items()}
    whole |= draw(st.just({}) | st.dictionaries(st.sampled_from([*whole]), VALUES, max_size=1))
    return by_torch(whole, _use_new_zipfile_serialization=draw(st.booleans()))


@many
def test_any_file_is_taken_or_refused_and_code_in_it_is_never_run(learned, times):
    def of_prompt(tensor):
        return by_torch(learned.of_the_seed(soft_prompt_state_dict={"prompt_embeddings": tensor}))

    prompt, code = learned.state()["soft_prompt.prompt_embeddings"], files_with_code(learned.place.mark).values()
    assert all(learned.takes(content) for content in [*learned.files.values(), of_prompt(prompt)])
    assert not any(learned.takes(content) for content in [*code, *(of_prompt(odd(prompt)) for odd in ODD)])
    tries(learned.takes, damaged([*learned.files.values(), *code]) | st.binary(max_size=60), 40 * times)
    tries(learned.takes, nearly_learned(learned), 40 * times)


def told(*arguments):
    """What the command says went wrong; it says nothing else on stderr."""
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        status = soft_prompt_finetune.main([str(argument) for argument in arguments])
    text = said.getvalue().rpartition("\r")[2].strip()  # behind a bar of progress
    assert status == 1 and text and "Traceback" not in text
    return text


@many
def test_the_command_refuses_any_json_and_lists_its_faults(place, times):
    def check(content, *faults):
        file = written(place, content)
        file.write_bytes(file.read_bytes().replace(b"dog.png", b"cow.png"))  # one picture alone is never enough
        with place.watched():
            message = told("--data", file, "--output", place.root / "run")
        assert all(fault in message for fault in faults) and ("one picture only" in message or str(file) in message)

    wrong = [ENTRY | {"image_path": "no.png"}, ENTRY | {"image_path": "../outside/canary.png"}, ENTRY | {"text": ""}]
    check([ENTRY, *wrong], 'entry 2: no file "no.png"', 'entry 3: "../outside/canary.png" leaves', "entry 4: ")
    tries(check, JSON, 10 * times)


def test_the_command_tells_in_one_line_what_is_wrong_with_a_checkpoint(place):
    (tensors, notes), file = read_tensors(CAPTIONER), place.data / "learned"
    others = (
        {"models": notes["models"].replace('"fingerprint": "', '"fingerprint": "0')},
        {"vision_features": "patches of layer 9"},
    )
    bad = [safetensors.torch.save(tensors, notes | other) for other in others]
    for content in [*bad, CAPTIONER.read_bytes()[:5000], by_torch({"weight": tensors})]:
        file.write_bytes(content)
        with place.watched():
            message = told("--evaluate", file, "--output", place.root / "run")
        assert len(message.splitlines()) == 1 and ("learned" in message or "layer" in message)
