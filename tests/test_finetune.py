"""What holds of the command line: it learns, can be ended at any moment, and equals itself on two processes."""

import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import soft_prompt_finetune as script
from finetuning import run
from finetuning.folder import CHECKPOINT, TRAINING
from finetuning.options import CAPTIONS, SEED, read_options
from finetuning.run import hold_out
from finetuning.show import SHOWN
from helpers import pictures, training
from helpers.captioner import DESCRIBE, VLMWithSoftPrompt, read_vision_features
from helpers.captioner_training import SharedFeatures
from helpers.files import read_tensors, write_tensors
from helpers.pretrained import POCKET_CLIP, POCKET_GPT2
from helpers.training import Interrupts

ROOT = Path(__file__).parents[1]
ENTRIES = json.loads((CAPTIONS / "train.json").read_text("utf-8"))
PICTURE = str(CAPTIONS / "images" / "validation-0001.png")
NOTES = {"config": "{}", "history": "{}"}  # that a training.safetensors of an older version has in any case
needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork server")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Twenty-five pictures and captions of very different lengths, as somebody's own: JSON and pictures in one folder."""
    return drawn_album(tmp_path_factory.mktemp("album"), 25)


def drawn_album(folder, number, first=0):
    folder.mkdir(exist_ok=True)
    (folder / "pictures").mkdir()
    entries = []
    for place, entry in enumerate(ENTRIES[first : first + number]):
        picture = Image.open(CAPTIONS / entry["image_path"])
        picture.save(folder / "pictures" / f"{place}.png")
        text = entry["text"] if place % 3 else entry["text"].split(" of ")[0]
        entries.append({"image_path": f"pictures/{place}.png", "text": text})
    (folder / "album.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder / "album.json"


def asked_for(album, output, *more):
    """A short training with options that a test may override."""
    short = ["--vision_features", "pooled", "--num_epochs", "2", "--batch_size", "6"]
    return ["--data", str(album), "--output", str(output), *short, *more]


def learned(folder):
    return read_tensors(folder / CHECKPOINT)[0]


def furthest(one, other):
    """The largest difference between two files' numbers."""
    assert one.keys() == other.keys()
    return max((one[name] - other[name]).abs().max().item() for name in one)


def looks(folder):
    """The looks in the log, without the time."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines[1:]]


# --- options -------------------------------------------------------------------------------------------------------------------


def test_the_options_and_values_of_the_seed_are_its_own():
    asked = read_options(["--preset", "seed"])
    assert (asked.vision_model_name, asked.language_model_name) == ("openai/clip-vit-base-patch32", "gpt2")
    assert (asked.prompt_length, asked.learning_rate, asked.num_epochs) == (10, 1e-4, 3)
    assert (asked.batch_size, asked.max_length, asked.init) == (2, 128, "random")


def test_alone_it_takes_the_pocket_models_and_says_what_it_changes():
    asked = read_options([])
    assert (asked.preset, asked.vision_model_name, asked.language_model_name) == ("pocket", "pocket", "pocket")
    told = asked.describe_preset()
    for name, value in SEED.items():
        changed = getattr(asked, name) != value
        assert f"--{name} " in told and (f"in the preset seed {value}" in told) == changed


def test_who_names_a_model_gets_the_seeds_values_and_what_is_given_stays():
    asked = read_options(["--vision_model_name", "mine", "--batch_size", "7"])
    assert (asked.preset, asked.vision_model_name, asked.batch_size, asked.num_epochs) == ("seed", "mine", 7, 3)
    assert "--batch_size 7  (given, in the preset seed 2)" in asked.describe_preset()
    assert read_options(["--vision_model_name", "pocket"]).preset == "pocket"


@pytest.mark.parametrize("preset", [None, "pocket", "seed"])
@pytest.mark.parametrize("named", ["vision_model_name", "language_model_name"])
def test_naming_one_model_fetches_no_other_that_was_not_asked_for(named, preset):
    (other,) = {"vision_model_name", "language_model_name"} - {named}
    asked = read_options([f"--{named}=mine", *([f"--preset={preset}"] if preset else [])])
    wanted = SEED[other] if preset == "seed" else "pocket"
    assert (getattr(asked, named), getattr(asked, other)) == ("mine", wanted)
    assert f"--{other} {wanted}" in asked.describe_preset()


def test_options_may_be_written_with_hyphens_and_values_with_an_equals_sign():
    assert read_options(["--learning-rate=1", "--num-epochs", "4", "--init=--a-b"]).init == "--a-b"


@pytest.mark.parametrize(
    "wrong", ["--batch_size=0", "--num_epochs=two", "--learning_rate=nan", "--learning_rate=-1", "--max_length=1",
              "--prompt_length=-1", "--precision=fp16", "--seed=-3", "--preset=mine", "--gradient_accumulation=²"]
)  # fmt: skip
def test_a_value_that_makes_no_sense_is_refused(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        read_options([wrong])
    assert ended.value.code == 2 and wrong.split("=")[0] in capsys.readouterr().err


def without_packages(*arguments):
    command = [sys.executable, "-S", "soft_prompt_finetune.py", *arguments]  # -S: without the packages installed
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--help"], 0, "usage: soft_prompt_finetune.py"),
        (["--batch_size=0"], 2, "'0' is no whole number from 1 on"),
        (["--resume", "--output", "nowhere"], 1, "to go on with: leave out --resume"),
    ],
)
def test_help_and_wrong_arguments_are_answered_without_the_packages(arguments, status, told):
    ended = without_packages(*arguments)
    assert ended.returncode == status and told in ended.stdout + ended.stderr


def test_a_python_without_the_packages_goes_on_in_the_environment_of_the_course_or_says_what_is_missing():
    ended = without_packages("--evaluate", "nowhere")
    assert ended.returncode == 1
    if (ROOT / ".venv").exists():
        assert ended.stderr == "nowhere: no such file\n"
    else:
        assert ended.stderr.startswith("not installed: torch, transformers, accelerate")


def test_what_is_given_comes_before_what_a_run_remembers_and_that_before_the_preset(tmp_path):
    write_tensors(tmp_path / TRAINING, {}, NOTES)
    known = {"seed": 3, "num_epochs": 4, "batch_size": 5, "data": str(tmp_path), "allow_outside": True, "torch": "2"}
    (tmp_path / "log.jsonl").write_text(json.dumps({"settings": known}))
    config = read_options(["--resume", "--output", str(tmp_path), "--batch_size", "6", "--preset", "seed"])
    assert (config.learning_rate, config.seed, config.num_epochs, config.batch_size) == (1e-4, 3, 4, 6)
    assert (config.data, config.allow_outside, config.given) == (tmp_path, True, {"batch_size"})
    config = read_options(["--generate", "cat.jpg", "--output", str(tmp_path)])
    assert (config.seed, config.checkpoint, config.pictures) == (0, tmp_path / CHECKPOINT, (Path("cat.jpg"),))
    assert read_options([]).init == DESCRIBE


# --- learning ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The course's own pictures, as without arguments, but for one epoch only: folder, exit status, what it printed."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    command = [sys.executable, "soft_prompt_finetune.py", "--num_epochs", "1", "--output", str(folder)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    return folder, ended.returncode, ended.stdout, ended.stderr


def test_alone_it_learns_validates_and_shows_captions_beside_the_ablations(alone):
    folder, status, told, errors = alone
    assert (status, errors) == (0, "")
    table = dict(re.findall(r"(?m)^(\w[\w ]+?) +\d+\.\d\d +(\d+)%$", told))
    ways = [
        "before",
        "after",
        "soft prompt removed",
        "zeros instead",
        "words instead",
        "no picture",
        "shuffled pictures",
    ]
    assert list(table) == ways
    right = {how: int(share) for how, share in table.items()}
    assert right["after"] > max(right[how] for how in ways if how not in ("after", "words instead"))
    assert right["after"] > right["shuffled pictures"] + 10
    truth = json.loads((CAPTIONS / "validation.json").read_text("utf-8"))[0]["text"]
    assert f"the caption          {truth}" in told
    assert all(len(re.findall(rf"(?m)^{how}  +\S", told)) == 1 + SHOWN for how in ways)
    assert "s left" in told and "What learns: 26,688 numbers, in 50 steps of up to 8 captions." in told
    assert re.search(r"(?m)^Kept: step \d+ of 50, where the validation loss was lowest", told)


def test_a_run_leaves_checkpoint_log_curve_and_nothing_else(alone):
    folder = alone[0]
    assert sorted(file.name for file in folder.iterdir()) == [
        "captioner.safetensors", "log.jsonl", "loss.png", "training.safetensors",
    ]  # fmt: skip
    lines = looks(folder)
    assert [line["step"] for line in lines] == [*range(0, 50, 3), 50]
    assert lines[-1]["validation_loss"] < 0.5 * lines[0]["validation_loss"] and lines[-1]["rate"] == 0
    with Image.open(folder / "loss.png") as picture:
        assert picture.format == "PNG" and picture.width > 1000


def test_what_was_learned_is_evaluated_and_describes_pictures(alone, capsys):
    folder, _, told, _ = alone
    checkpoint = str(folder / CHECKPOINT)
    assert script.main(["--evaluate", checkpoint]) == 0
    again = capsys.readouterr().out
    assert again.startswith(f"{checkpoint}, on captions of {CAPTIONS / 'validation.json'}:")
    for how in ("soft prompt removed", "no picture", "shuffled pictures"):
        assert re.findall(rf"(?m)^{how} .*$", told) == re.findall(rf"(?m)^{how} .*$", again) != []
    pictures = [str(CAPTIONS / "images" / f"validation-000{n}.png") for n in (1, 2, 3)]
    assert script.main(["--generate", *pictures, "--output", str(folder)]) == 0
    by_folder = capsys.readouterr().out
    assert script.main(["--generate", *pictures, "--evaluate", checkpoint]) == 0
    assert capsys.readouterr().out == by_folder
    assert by_folder.startswith(f"With {checkpoint}:\n")
    assert [line.split(": ", 1)[1] for line in by_folder.splitlines()[1:]] == re.findall(
        r"(?m)^after  +([a-z].*)$", told
    )


def test_a_tenth_of_the_pictures_is_kept_to_validate_on_with_all_their_captions():
    files = [Path(f"{place // 3}.png") for place in range(90)]
    pairs = [(file, str(number)) for number, file in enumerate(files)]
    learns, checks = hold_out(pairs, seed=0)
    assert sorted(learns + checks) == sorted(pairs) and len(checks) == 9
    assert not {file for file, _ in learns} & {file for file, _ in checks}
    assert hold_out(pairs, seed=0) == (learns, checks) != hold_out(pairs, seed=1)
    assert len(hold_out(pairs[:6], seed=0)[1]) == 3
    with pytest.raises(ValueError, match="one picture only"):
        hold_out(pairs[:3], seed=0)


@pytest.mark.parametrize("seed", range(5))
def test_copies_of_a_picture_are_never_learned_from_and_validated_on(tmp_path, seed):
    """Copies, links and captions at random: of no content are there files on both sides, and no pair is lost."""
    chance, pairs = random.Random(seed), []
    for number in range(40):
        file = tmp_path / f"{chance.random()}.png"
        if pairs and (kind := chance.choice(["new", "copy", "link", "same"])) != "new":
            other = chance.choice(pairs)[0]
            if kind == "same":
                file = other
            elif kind == "link":
                os.link(other, file)
            else:
                file.write_bytes(other.read_bytes())
        else:
            file.write_bytes(b"%3d" % number)
        pairs.append((file, str(number)))
    contents = {file: file.read_bytes() for file, _ in pairs}
    given = [[pair for pair in pairs if int(pair[1]) % 4 == side] for side in (0, 1)]
    left, gone = run.take_out(*given)
    assert gone == len({file for file, _ in given[0]} - {file for file, _ in left})
    assert {contents[file] for file, _ in set(given[0]) - set(left)} <= {contents[file] for file, _ in given[1]}
    learns, checks = hold_out(pairs, seed)
    assert sorted(learns + checks) == sorted(pairs) and learns and checks
    for one, other in ((learns, checks), (left, given[1])):
        assert not {contents[file] for file, _ in one} & {contents[file] for file, _ in other}


@pytest.mark.parametrize("how", ["the same file", "a copy of the folder", "other captions"])
def test_to_validate_on_all_that_is_learned_from_is_refused_before_a_model_is_loaded(
    album, tmp_path, capsys, monkeypatch, how
):
    monkeypatch.setattr(run, "load_captioner", lambda *how: pytest.fail("it loaded a model"))
    checks = album
    if how != "the same file":
        checks = shutil.copytree(album.parent, tmp_path / "copy") / "album.json"
    if how == "other captions":
        entries = json.loads(checks.read_text("utf-8"))
        checks.write_text(json.dumps([entry | {"text": "a thing."} for entry in entries]), encoding="utf-8")
    assert script.main(asked_for(album, tmp_path / "run", "--validation", str(checks))) == 1
    told = capsys.readouterr().err
    assert "every picture of --data is in --validation too" in told and told.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_pictures_that_are_also_validated_on_are_not_learned_from_and_that_is_said(album, tmp_path, capsys):
    checks = shutil.copytree(album.parent, tmp_path / "copy") / "album.json"
    checks.write_text(json.dumps(json.loads(checks.read_text("utf-8"))[3:7]), encoding="utf-8")
    assert script.main(asked_for(album, tmp_path / "run", "--validation", str(checks), "--num_epochs", "1")) == 0
    told = capsys.readouterr().out
    assert f"4 pictures of {album} are also in {checks}: they are validated on, and not learned from." in told
    assert "Captions to learn from: 21; to validate on: 4." in told
    assert (
        script.main(["--evaluate", str(tmp_path / "run"), "--data", str(album)]) == 0
    )  # whoever asks may measure there


def test_of_copies_of_one_picture_nothing_can_be_held_out(tmp_path):
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file in files:
        file.write_bytes(b"the same")
    with pytest.raises(ValueError, match="one picture only, and copies of it"):
        hold_out([(file, "a cat.") for file in files], seed=0)


@pytest.mark.parametrize("features", ["patches", "pooled"])
def test_five_captions_of_a_picture_learn_as_if_each_had_features_of_its_own(tmp_path, capsys, monkeypatch, features):
    album = drawn_album(tmp_path / "many", 12)
    entries = json.loads(album.read_text("utf-8"))
    more = [
        entry | {"text": other["text"]}
        for entry, other in zip(entries, entries[1:])
        for _ in range(len(other["text"]) % 4)
    ]
    album.write_text(json.dumps(entries + more), encoding="utf-8")
    arguments = [*asked_for(album, tmp_path / "once"), "--vision_features", features]
    plain = run.encode_examples
    monkeypatch.setattr(run, "load_captioner", lambda *how, load=run.load_captioner: load(*how).double())
    assert script.main(arguments) == 0
    once = capsys.readouterr().out

    def repeat(*how):
        examples = plain(*how)
        assert isinstance(examples.features, SharedFeatures) and len(examples.features.once) < len(examples.rows)
        return replace(examples, features=examples.features[:])

    monkeypatch.setattr(run, "encode_examples", repeat)
    assert script.main([*arguments, "--output", str(tmp_path / "repeated")]) == 0
    repeated = capsys.readouterr().out
    assert 0 < furthest(learned(tmp_path / "once"), learned(tmp_path / "repeated")) < 1e-9
    rows = [re.findall(r"(?m)^(?:before|after|zeros instead|no picture) +\d.*$", told) for told in (once, repeated)]
    assert rows[0] == rows[1] and len(rows[0]) == 4
    shown = re.findall(r"(?m)^(/.*\.png)$", once)
    assert len(set(shown)) == len(shown) > 0, "every picture once"


def test_a_picture_is_opened_once_however_many_captions_it_has(tmp_path, monkeypatch):
    album, opened = drawn_album(tmp_path / "many", 12), []
    entries = json.loads(album.read_text("utf-8"))
    album.write_text(json.dumps(entries + [entry | {"text": "a thing."} for entry in entries]), encoding="utf-8")
    plain = pictures.open_picture
    monkeypatch.setattr(pictures, "open_picture", lambda file, told: opened.append(file) or plain(file, told))
    assert script.main(asked_for(album, tmp_path / "run")) == 0
    assert sorted(opened) == sorted({tmp_path / "many" / entry["image_path"] for entry in entries})


def test_of_broken_pictures_all_are_told_and_nothing_is_written(tmp_path, capsys):
    album = drawn_album(tmp_path / "broken", 12)
    for number in (3, 11):
        (album.parent / "pictures" / f"{number}.png").write_text("no picture")
    assert script.main(asked_for(album, tmp_path / "run")) == 1 and not (tmp_path / "run").exists()
    told = capsys.readouterr().err.strip().rpartition("\r")[2]
    assert [line.partition(" is no picture")[0] for line in told.splitlines()] == [
        f'{album}, entry {number + 1}: "pictures/{number}.png"' for number in (3, 11)
    ]


def test_batches_that_are_gathered_are_one_large_batch(album, tmp_path, monkeypatch):
    plain = run.load_captioner
    monkeypatch.setattr(run, "load_captioner", lambda *how: plain(*how).double())
    for name, size, gathered in (("whole", "6", "1"), ("parts", "2", "3")):
        more = ["--batch_size", size, "--gradient_accumulation", gathered]
        assert script.main(asked_for(album, tmp_path / name, *more)) == 0
    assert 0 < furthest(learned(tmp_path / "whole"), learned(tmp_path / "parts")) < 1e-9


def test_in_bf16_the_frozen_models_are_smaller_and_it_learns_as_well(album, tmp_path):
    for precision in ("fp32", "bf16"):
        assert script.main(asked_for(album, tmp_path / precision, "--precision", precision)) == 0
    exact, rough = (looks(tmp_path / precision)[-1]["validation_loss"] for precision in ("fp32", "bf16"))
    assert exact != rough and abs(exact - rough) < 0.1 * exact
    assert all(tensor.dtype == torch.float32 for tensor in learned(tmp_path / "bf16").values())


def test_captions_that_are_too_long_are_cut_and_counted_aloud(album, tmp_path, capsys):
    assert script.main(asked_for(album, tmp_path / "run", "--max_length", "8")) == 0
    told = capsys.readouterr().out
    assert re.search(r"\d+ of 25 captions are longer than 8 tokens and were cut\.", told)


@pytest.mark.parametrize("features", ["patches", "pooled"])
@pytest.mark.parametrize("texts", [["a cat.", "a dog."], ["a photo."] * 5], ids=["two pictures", "all say the same"])
def test_very_few_or_very_dull_captions_are_no_fault(tmp_path, capsys, texts, features):
    album = drawn_album(tmp_path / "few", len(texts))
    entries = [entry | {"text": text} for entry, text in zip(json.loads(album.read_text("utf-8")), texts)]
    album.write_text(json.dumps(entries), encoding="utf-8")
    assert script.main(asked_for(album, tmp_path / "run", "--vision_features", features)) == 0
    told = capsys.readouterr().out
    assert all(tensor.isfinite().all() for tensor in learned(tmp_path / "run").values())
    assert "no picture" in told and "shuffled pictures" not in told, "one picture cannot be shuffled"


def test_where_no_step_was_better_it_says_that_nothing_was_learned(album, tmp_path, capsys):
    config = read_options(asked_for(album, tmp_path / "run", "--learning_rate", "50", "--num_epochs", "1"))
    assert run.run_config(replace(config, max_grad_norm=None)) == 0
    told = capsys.readouterr().out
    assert "Kept: the beginning." in told and "nothing was learned" in told and "best so far" not in told


def test_a_prompt_that_leaves_no_room_for_text_is_refused(album, tmp_path, capsys):
    assert script.main(asked_for(album, tmp_path / "run", "--prompt_length", "127")) == 1
    assert "take a smaller --prompt_length" in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_a_rate_that_blows_up_is_told_and_the_best_is_kept(album, tmp_path, capsys):
    config = read_options(asked_for(album, tmp_path / "run", "--learning_rate", "1e30"))
    assert run.run_config(replace(config, max_grad_norm=None)) == 1
    assert "try a smaller learning rate" in capsys.readouterr().err
    assert all(tensor.isfinite().all() for tensor in learned(tmp_path / "run").values())


def test_a_full_memory_is_told_with_what_to_do(album, tmp_path, capsys, monkeypatch):
    def full(*how, **more):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(run, "train_captioner", full)
    assert script.main(asked_for(album, tmp_path / "run")) == 1
    assert "smaller --batch_size and a larger --gradient_accumulation" in capsys.readouterr().err


def test_features_that_find_no_room_are_told_before_anything_is_written(album, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "measure_free_memory", lambda device: 10_000)
    assert script.main(asked_for(album, tmp_path / "run")) == 1
    assert "--vision_features pooled" in capsys.readouterr().err and not (tmp_path / "run").exists()


# --- what is wrong ---------------------------------------------------------------------------------------------------------------


def test_every_picture_that_cannot_be_described_is_named(tmp_path, capsys):
    (tmp_path / "letter.jpg").write_text("a letter")
    pictures = [PICTURE, str(tmp_path / "no.png"), str(tmp_path / "letter.jpg"), str(tmp_path)]
    assert script.main(["--generate", *pictures, "--evaluate", str(ROOT / "data/captioner")]) == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0].split(" is ")[0] for line in told] == pictures[1:]


def test_what_is_wrong_with_the_data_is_told_before_a_model_is_missed(tmp_path, capsys):
    (tmp_path / "mine.json").write_text("[{]")
    assert script.main(["--data", str(tmp_path / "mine.json"), "--preset", "seed"]) == 1
    assert "mine.json is no JSON" in capsys.readouterr().err


def test_a_run_that_fails_at_once_leaves_no_empty_folder(album, tmp_path, capsys, monkeypatch):
    def failing(*how, **more):
        raise FloatingPointError("the loss is nan")

    monkeypatch.setattr(run, "train_captioner", failing)
    assert script.main(asked_for(album, tmp_path / "run")) == 1
    assert "the loss is nan" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


# --- folders -------------------------------------------------------------------------------------------------------------------


def test_without_output_every_run_gets_a_folder_of_its_own(tmp_path):
    runs = tmp_path / "runs"
    assert read_options([], runs).folder == runs / "1"
    for name in ("9", "10", "mine"):
        (runs / name).mkdir(parents=True)
    assert read_options([], runs).folder == runs / "11"
    with pytest.raises(ValueError, match="no training in .* yet"):
        read_options(["--resume"], runs)
    for name in ("9", "10"):
        write_tensors(runs / name / TRAINING, {}, NOTES)
    with pytest.raises(ValueError, match="10 does not say any more what its training was asked for"):
        read_options(["--resume"], runs)
    (runs / "10" / "log.jsonl").write_text('{"settings": {"seed": 3}}')
    assert read_options(["--resume"], runs).folder == runs / "10"


@pytest.mark.parametrize("more", [["--resume"], ["--generate", PICTURE]])
def test_a_folder_without_a_training_is_told(tmp_path, capsys, more):
    assert script.main(["--output", str(tmp_path), *more]) == 1
    assert str(tmp_path) in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_training_is_never_written_over(album, tmp_path, capsys):
    assert script.main(asked_for(album, tmp_path / "run", "--num_epochs", "1")) == 0
    before = {file: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    assert script.main(asked_for(album, tmp_path / "run")) == 1
    assert "--resume" in capsys.readouterr().err
    assert script.main(["--resume", "--output", str(tmp_path / "run"), "--num_epochs", "4"]) == 1
    assert "steps was 4 and is 16" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before
    (tmp_path / "file").touch()
    assert script.main(asked_for(album, tmp_path / "file")) == 1
    assert "is a file" in capsys.readouterr().err


def test_a_training_whose_data_were_changed_is_not_gone_on_with(tmp_path, capsys):
    album = drawn_album(tmp_path / "changing", 12)
    assert script.main(asked_for(album, tmp_path / "run")) == 0
    whole = album.read_text("utf-8")
    album.write_text(whole.replace("car", "cup", 1), encoding="utf-8")
    capsys.readouterr()
    assert script.main(["--resume", "--output", str(tmp_path / "run")]) == 1
    assert "belongs to other examples: they were changed since" in capsys.readouterr().err
    album.write_text(whole, encoding="utf-8")
    assert script.main(["--resume", "--output", str(tmp_path / "run")]) == 0


def test_a_run_is_evaluated_on_what_it_was_validated_on(album, tmp_path, capsys):
    assert script.main(asked_for(album, tmp_path / "run")) == 0
    trained = capsys.readouterr().out
    assert script.main(["--evaluate", str(tmp_path / "run")]) == 0
    again = capsys.readouterr().out
    assert "On 2 validation captions" in trained and "On 2 validation captions" in again
    assert re.findall(r"(?m)^no picture .*", trained) == re.findall(r"(?m)^no picture .*", again)
    assert re.findall(r"(?m)^after +(\d.*)", trained) == re.findall(r"(?m)^as trained +(\d.*)", again)
    assert script.main(["--evaluate", str(tmp_path / "run"), "--data", str(album)]) == 0
    assert "On 25 validation captions" in capsys.readouterr().out


# --- ended at any moment ---------------------------------------------------------------------------------------------------------


def run_in_process(arguments, printed, evaluations=20):
    """In a process of its own: the command line, what it prints in a file."""
    torch.set_num_threads(1)
    sys.stdout = sys.stderr = Path(printed).open("a", encoding="utf-8", buffering=1)
    sys.exit(run.run_config(replace(read_options(arguments), evaluations=evaluations)))


@pytest.fixture(scope="module")
def processes():
    """Processes that begin with everything imported."""
    context, path = multiprocessing.get_context("forkserver"), os.environ.get("PYTHONPATH", "")
    context.set_forkserver_preload([__name__])
    os.environ["PYTHONPATH"] = os.pathsep.join([*sys.path, path])  # Python 3.11 gives its fork server no path
    yield context
    os.environ["PYTHONPATH"] = path


def step_of(folder):
    return training.read_progress(folder / TRAINING)[0]


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


@needs_fork
@pytest.mark.slow  # at every write: test_folder.py
@pytest.mark.parametrize("kills", [10])
def test_killed_at_random_moments_it_is_always_loadable_and_in_the_end_as_if_unbroken(
    album, tmp_path, processes, kills
):
    moments, killed = random.Random(7), 0
    folder, log = tmp_path / "run", tmp_path / "printed"
    many = asked_for(album, folder, "--num_epochs", str(20 + 4 * kills), "--batch_size", "3")
    assert script.main(asked_for(album, tmp_path / "other", "--num_epochs", "1")) == 0  # another to load into
    while killed < kills:
        resumed = (folder / TRAINING).exists()
        arguments = ["--resume", "--output", str(folder)] if resumed else many
        process = processes.Process(target=run_in_process, args=(arguments, log, 200))
        before = log.stat().st_size if log.exists() else 0
        process.start()
        wait_for(
            lambda: log.exists() and "What learns:" in log.read_bytes()[before:].decode() or not process.is_alive()
        )
        if killed == kills - 1:  # the last time it has learned something
            wait_for(lambda: (folder / TRAINING).exists() and step_of(folder) or not process.is_alive())
        time.sleep(moments.uniform(0, 0.5))
        assert process.is_alive(), f"it ended by itself: {log.read_text('utf-8')[-500:]}"
        process.kill()
        process.join()
        killed += 1
        if (folder / TRAINING).exists():
            step, seen = training.read_progress(folder / TRAINING)
            assert seen.evaluations[-1].step == step
        if (folder / CHECKPOINT).exists():
            assert read_vision_features(folder / CHECKPOINT) == ("pooled", -2)
            assert furthest(learned(folder), learned(tmp_path / "other")) > 0
    assert 0 < step_of(folder) < 8 * (20 + 4 * kills), "the moments lie within the training"
    for arguments in (["--resume", "--output", str(folder)], asked_for(album, tmp_path / "unbroken", *many[-4:])):
        process = processes.Process(target=run_in_process, args=(arguments, log, 200))
        process.start()
        process.join()
        assert process.exitcode == 0
    assert furthest(learned(folder), learned(tmp_path / "unbroken")) == 0
    assert looks(folder) == looks(tmp_path / "unbroken")
    assert sorted(file.name for file in folder.iterdir()) == sorted(f.name for f in (tmp_path / "unbroken").iterdir())


@needs_fork
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_asked_to_end_it_finishes_the_step_saves_and_says_how_to_go_on(album, tmp_path, processes, number):
    folder, log = tmp_path / "a run", tmp_path / "printed"
    many = asked_for(album, folder, "--num_epochs", "15", "--batch_size", "3")
    process = processes.Process(target=run_in_process, args=(many, log))
    process.start()
    wait_for(lambda: (folder / "log.jsonl").exists() and len(looks(folder)) == 3)
    os.kill(process.pid, number)
    process.join()
    told = log.read_text("utf-8")
    assert process.exitcode == 128 + number
    step = int(re.search(r"Stopped at step (\d+) of 120, and all is saved\. Go on with", told)[1])
    command = told.splitlines()[-1].strip()
    assert command == f"python soft_prompt_finetune.py --resume --output '{folder}'"  # it has a blank
    assert (folder / "loss.png").exists() and training.read_progress(folder / TRAINING)[0] == step
    assert script.main(["--resume", "--output", str(folder)]) == 0
    assert script.main(asked_for(album, tmp_path / "unbroken", *many[-4:])) == 0
    assert furthest(learned(folder), learned(tmp_path / "unbroken")) == 0
    assert looks(folder) == looks(tmp_path / "unbroken")


def test_asked_twice_it_ends_at_once(ctrl_c):
    before = signal.getsignal(signal.SIGINT)
    with Interrupts(signal.SIGINT, signal.SIGTERM) as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.asked == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert signal.getsignal(signal.SIGINT) is before


# --- several processes -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_and_two(album, tmp_path_factory):
    """Ten steps in fp64 by one process, in batches of six, and by two, in batches of three each: their folders, and what two printed."""
    folder, printed = tmp_path_factory.mktemp("processes"), ""
    checks = drawn_album(folder / "checks", 5, first=25)
    how = ["--validation", str(checks), "--num_epochs", "2"]
    alone = [sys.executable, "tests/one_of_two.py", *asked_for(album, folder / "one", *how, "--batch_size", "6")]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    both = [*launcher, "tests/one_of_two.py", *asked_for(album, folder / "two", *how, "--batch_size", "3")]
    no_gpu = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}  # which two processes cannot share
    for command in (alone, both):
        ended = subprocess.run(
            command, cwd=ROOT, env=no_gpu, capture_output=True, text=True, encoding="utf-8", timeout=300
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        printed = ended.stdout
    return folder / "one", folder / "two", printed


@pytest.mark.slow
def test_two_processes_are_one_with_the_same_batch(one_and_two):
    one, two, _ = one_and_two
    assert training.read_progress(one / TRAINING)[0] == training.read_progress(two / TRAINING)[0] == 10
    assert learned(one)["soft_prompt.prompt_embeddings"].dtype == torch.float64
    begun = looks(one)[0]["validation_loss"]
    assert looks(one)[-1]["validation_loss"] < 0.9 * begun, "it learned something in ten steps"
    assert 0 < furthest(learned(one), learned(two)) < 1e-9


@pytest.mark.slow
def test_two_processes_save_and_speak_once(one_and_two):
    _, two, printed = one_and_two
    assert {line.split()[1] for line in printed.splitlines() if " wrote " in line} == {"0"}
    assert printed.count("On 5 validation captions") == 1
    assert len(looks(two)) == len({line["step"] for line in looks(two)}) == 11


def test_more_processes_than_gpus_are_told_what_to_do(monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert script.main([]) == 1
    told = capsys.readouterr().err
    assert (
        told.startswith("4 processes were started on a machine with 1 GPU: start one for each GPU")
        and told.count("\n") == 1
    )


# --- models from elsewhere ---------------------------------------------------------------------------------------------------------


def test_a_dead_endpoint_gives_one_sentence(tmp_path):
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    surroundings |= {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "soft_prompt_finetune.py", "--preset", "seed", "--output", str(tmp_path / "run")]
    ended = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and not (tmp_path / "run").exists()
    assert re.fullmatch(r"the model 'gpt2' could not be fetched .*HF_ENDPOINT.*local folder.*\n", ended.stderr)


@pytest.mark.parametrize("kind", ["patches", "pooled"])
def test_the_ten_lines_of_both_readmes_use_what_was_learned_without_the_course(kind, tmp_path, monkeypatch, capsys):
    texts = [(ROOT / readme).read_text("utf-8") for readme in ("README.md", "README_EN.md")]
    lines, others = (re.search(r"(?s)```python\n(import torch\n.*?)```", text)[1] for text in texts)
    assert [line.partition("  #")[0] for line in lines.splitlines()] == [
        line.partition("  #")[0] for line in others.splitlines()
    ]
    assert len([line for line in lines.splitlines() if line]) == 10 and set(re.findall(r"(?:import|from) (\w+)", lines)) <= {
        "torch", "safetensors", "transformers", "load_file", "AutoModelForCausalLM",
    }  # fmt: skip
    model = VLMWithSoftPrompt("pocket", "pocket", vision_features=kind)
    model.load(ROOT / "data/captioner/captioner.safetensors") if kind == "patches" else None
    model.save(tmp_path / "captioner.safetensors")
    picture = CAPTIONS / "images" / "validation-0001.png"
    (tmp_path / "cat.jpg").write_bytes(picture.read_bytes())
    for name, folder in (("openai/clip-vit-base-patch32", POCKET_CLIP), ("gpt2", POCKET_GPT2)):
        lines = lines.replace(f'"{name}"', repr(str(folder)))
    if kind == "pooled":
        ending, instead = ".hidden_states[-2][:, 1:]", re.search(r"`(\.pooler_output.*?)`", texts[0])[1]
        assert instead == re.search(r"`(\.pooler_output.*?)`", texts[1])[1]
        assert [line for line in lines.splitlines() if line][5].endswith(ending)
        lines = lines.replace(ending, instead)
    monkeypatch.chdir(tmp_path)
    exec(lines, {})  # what it imports is no part of the course, see above
    assert capsys.readouterr().out.strip() == model.generate([Image.open(picture)])[0] != ""
