"""A gallery: what pocket GPT-2 says of pictures in all nine styles, drawn by a seed."""

import html
import io
from base64 import b64encode
from collections.abc import Sequence

import numpy as np

from helpers.captioner import VLMWithSoftPrompt
from helpers.language import get_language, say, set_language
from helpers.pretrained import load_clip, load_language_model
from pocket.captioning import PROMPTS
from pocket.scenes import make_fresh_scene
from pocket.scoring import list_expected_claims, read_claims
from pocket.words import translate
from pocket.world import ALL_STYLES, Scene, draw

SEED, IN_EACH_STYLE = 2026, 2
FIGURE = """<figure><img alt="{alt}" width="256" height="256" src="data:image/webp;base64,{webp}">
<figcaption><q lang="en">{caption}</q><br><span class="{kind}">{verdict}</span></figcaption>
</figure>"""


def describe_scenes() -> list[tuple[Scene, str]]:
    """Scenes of one thing that training never drew, and what lesson 03's captioner says of them.

    Picture number n is drawn by seed n.
    """
    rng = np.random.default_rng(SEED)
    styles = [style for style in ALL_STYLES for _ in range(IN_EACH_STYLE)]
    scenes = [make_fresh_scene(rng, style=style, things=1) for style in styles]
    model = VLMWithSoftPrompt(load_clip("pocket"), load_language_model("pocket"))
    model.load(PROMPTS / "captioner.safetensors")
    return list(zip(scenes, model.generate([draw(scene, n) for n, scene in enumerate(scenes)])))


def make_gallery(described: Sequence[tuple[Scene, str]], lang: str) -> str:
    """Each picture over its caption and what of that is wrong, or that nothing is; HTML."""
    before = get_language()
    set_language(lang)
    try:
        return write_gallery(described)
    finally:
        set_language(before)


def write_gallery(described: Sequence[tuple[Scene, str]]) -> str:
    """As `make_gallery`, in the language that is set."""
    faults = [find_wrong_words(caption, scene) for scene, caption in described]
    shown = [
        make_figure(scene, seed, caption, wrong)
        for seed, ((scene, caption), wrong) in enumerate(zip(described, faults))
    ]
    right, of = faults.count([]), len(faults)
    heading = say(en="What a frozen GPT-2 says about pictures", zh="冻结的 GPT-2 看图写的话")
    lead = say(
        en=f"Two pictures in each of the nine styles, drawn by seed {SEED}. Training saw none of "
        "them, and nothing at all of the ninth style, the sepia print. The captions come from the "
        f"captioner of lesson 03, and none was chosen: in {right} of {of} nothing is wrong. "
        "Lesson 03 says how often that is so over many pictures.",
        zh=f"九种风格各两张，由随机种子 {SEED} 画出。这些图训练时都没有见过；第九种“泛黄老照片”，"
        "整种风格都没见过。说明文字由第 03 课的模型写成，没有挑选："
        f"{of} 张里有 {right} 张没有说错。在很多图上的准确率，见第 03 课。",
    )
    return f'<h1>{heading}</h1>\n<p>{lead}</p>\n<div class="gallery">{"".join(shown)}</div>'


def make_figure(scene: Scene, seed: int, caption: str, wrong: Sequence[str]) -> str:
    file = io.BytesIO()
    draw(scene, seed).save(file, "WEBP", quality=80)
    comma = say(en=", ", zh="，")
    (thing,) = scene.things
    words = say(en=" ", zh="").join(map(translate, (thing.size, thing.colour, thing.object)))
    verdict = say(en="✓ nothing wrong", zh="✓ 没有说错")
    if wrong:
        listed = say(en=", ", zh="、").join(map(translate, wrong))
        verdict = say(en=f"✗ not so: {listed}", zh=f"✗ 不符：{listed}")
    return FIGURE.format(
        alt=comma.join([translate(scene.style), translate(scene.background), words]),
        webp=b64encode(file.getvalue()).decode(),
        caption=html.escape(caption),
        kind="wrong" if wrong else "right",
        verdict=verdict,
    )


def find_wrong_words(caption: str, scene: Scene) -> list[str]:
    """Words that are not so; of a wrong object, its size and colour do not count as well."""
    wrong = [fact for fact in read_claims(caption) - list_expected_claims(scene)]
    objects = {fact[1] for fact in wrong if fact[0] == "object"}
    own = [fact for fact in wrong if fact[0] in ("size", "colour") and fact[1] not in objects]
    others = [fact for fact in wrong if fact[0] in ("object", "style", "background")]
    return sorted(fact[-1] for fact in own + others)
