"""A gallery of what pocket GPT-2 says of pictures: two scenes in each of the nine styles, drawn by a seed, none seen in training."""

import html
import io
from base64 import b64encode

import numpy as np

from helpers.captioner import VLMWithSoftPrompt
from helpers.language import say, set_language
from helpers.pretrained import load_clip, load_gpt2
from pocket.captioning import PROMPTS
from pocket.scenes import make_fresh_scene
from pocket.scoring import list_expected_claims, read_claims
from pocket.words import translate
from pocket.world import ALL_STYLES, Scene, draw

SEED, IN_EACH_STYLE = 2026, 2


def describe_scenes() -> list[tuple[Scene, str]]:
    """The scenes and what the captioner of lesson 03 says of their pictures; picture number n is drawn by seed n."""
    rng = np.random.default_rng(SEED)
    scenes = [make_fresh_scene(rng, style=style, things=1) for style in ALL_STYLES for _ in range(IN_EACH_STYLE)]
    model = VLMWithSoftPrompt(load_clip("pocket"), load_gpt2("pocket")).load(PROMPTS / "captioner.safetensors")
    return list(zip(scenes, model.generate([draw(scene, seed) for seed, scene in enumerate(scenes)])))


def make_gallery(described: list[tuple[Scene, str]], lang: str) -> str:
    """Each picture over its caption, and what of the caption is wrong, or that all of it is right; HTML."""
    set_language(lang)
    shown, right = [], 0
    for seed, (scene, caption) in enumerate(described):
        wrong = sorted(read_claims(caption) - list_expected_claims(scene))
        right += not wrong
        told = "、".join if lang == "zh" else ", ".join
        verdict = (
            say(en="✗ not so: ", zh="✗ 不符：") + told(" ".join(map(translate, fact[1:])) for fact in wrong)
            if wrong
            else say(en="✓ nothing wrong", zh="✓ 没有说错")
        )
        file = io.BytesIO()
        draw(scene, seed).save(file, "WEBP", quality=80)
        alt = html.escape(describe_scene(scene))
        shown.append(
            f'<figure><img alt="{alt}" width="256" height="256" src="data:image/webp;base64,{b64encode(file.getvalue()).decode()}">'
            f'<figcaption><q lang="en">{html.escape(caption)}</q><br><span class="{"wrong" if wrong else "right"}">{verdict}</span></figcaption></figure>'
        )
    heading = say(en="What a frozen GPT-2 says of pictures", zh="冻结的 GPT-2 看图写的话")
    lead = say(
        en=f"Two pictures in each of the nine styles, drawn by seed {SEED}; training saw none of them, and of the ninth style, the sepia print, "
        f"nothing at all. The captions are those of the captioner of lesson 03, none is chosen: in {right} of {len(described)} "
        "nothing is wrong. Lesson 03 says how often that is so over many pictures.",
        zh=f"九种风格各两张，由随机种子 {SEED} 画出，训练时都没有见过；第九种“泛黄老照片”，整种风格都没见过。说明文字由第 03 课的模型写成，"
        f"没有挑选：{len(described)} 张里有 {right} 张没有说错。在很多图上的准确率，见第 03 课。",
    )
    return f'<h1>{heading}</h1>\n<p>{lead}</p>\n<div class="gallery">{"".join(shown)}</div>'


def describe_scene(scene: Scene) -> str:
    """A scene in the learner's words, for those who cannot see its picture."""
    comma = say(en=", ", zh="，")
    things = [
        say(en=" ", zh="").join(map(translate, (thing.size, thing.colour, thing.object))) for thing in scene.things
    ]
    return comma.join([translate(scene.style), translate(scene.background), *things])
