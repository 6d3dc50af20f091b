"""What every notebook needs and no model knows of: the learner's language, and the world's words in it.

Rests on the standard library; transformers is only asked to be quiet. Notebooks call `start` once, in their first cell.
"""

from __future__ import annotations

import os

LANGUAGES = ("en", "zh")
_language = "en"

# The names of the pocket world for readers of Chinese. Captions stay English: that is the language the models read.
# fmt: off
CHINESE_WORDS = {
    "cat": "猫", "dog": "狗", "fish": "鱼", "bird": "鸟", "butterfly": "蝴蝶", "snail": "蜗牛", "tree": "树",
    "flower": "花", "mushroom": "蘑菇", "cactus": "仙人掌", "apple": "苹果", "house": "房子", "car": "汽车", "boat": "小船",
    "plane": "飞机", "rocket": "火箭", "ball": "皮球", "star": "星星", "cup": "杯子", "key": "钥匙", "umbrella": "雨伞",
    "clock": "时钟", "guitar": "吉他", "crown": "王冠", "red": "红色", "orange": "橙色", "yellow": "黄色", "green": "绿色",
    "blue": "蓝色", "purple": "紫色", "pink": "粉色", "brown": "棕色", "gray": "灰色", "white": "白色", "small": "小号",
    "medium": "中号", "large": "大号", "meadow": "草地", "beach": "海滩", "snow": "雪地", "night": "夜晚", "city": "城市",
    "forest": "森林", "desert": "沙漠", "room": "房间", "photo": "照片", "sketch": "素描", "painting": "油画", "mosaic": "马赛克",
    "silhouette": "剪影", "neon sign": "霓虹灯", "blueprint": "蓝图", "cartoon": "卡通", "sepia print": "老照片",
}
# fmt: on


class Plainly(ValueError):
    """What went wrong, in one sentence of the learner's language: explorers show it as it stands, without a traceback."""


def set_language(lang: str) -> None:
    """The language of everything that is printed and shown from now on: "en" or "zh"."""
    global _language
    if lang not in LANGUAGES:
        raise ValueError(f"no lessons in {lang!r}; there are {' and '.join(LANGUAGES)}")
    _language = lang


def say(*, en: str, zh: str) -> str:
    """The text in the learner's language."""
    return zh if _language == "zh" else en


def word(name: str) -> str:
    """A word of the pocket world for the learner to read: "cat", or in Chinese "猫"."""
    return say(en=name, zh=CHINESE_WORDS.get(name, name))


def start(lang: str) -> None:
    """The end of each notebook's set-up cell: the language is set, and libraries report to nobody but the programmer."""
    set_language(lang)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    print(
        say(
            en="Ready: everything below runs on this machine, without a network.",
            zh="准备好了：下面的一切都在这台机器上运行，不需要联网。",
        )
    )
