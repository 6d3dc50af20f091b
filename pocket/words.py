"""The words of the pocket world: names in both languages, and the vocabulary of its stories.

In each entry of a table the first word is the usual one and the others are synonyms that
appear now and then.
"""

from helpers.language import say

OBJECT_WORDS = {
    "cat": ("cat", "kitten", "kitty"),
    "dog": ("dog", "puppy", "hound"),
    "fish": ("fish", "goldfish"),
    "bird": ("bird", "sparrow"),
    "butterfly": ("butterfly", "moth"),
    "snail": ("snail", "slug"),
    "tree": ("tree", "oak"),
    "flower": ("flower", "blossom", "daisy"),
    "mushroom": ("mushroom", "toadstool"),
    "cactus": ("cactus", "succulent"),
    "apple": ("apple", "fruit"),
    "house": ("house", "cottage", "cabin"),
    "car": ("car", "automobile", "taxi"),
    "boat": ("boat", "ship", "sailboat"),
    "plane": ("plane", "airplane", "jet"),
    "rocket": ("rocket", "spaceship"),
    "ball": ("ball", "beachball"),
    "star": ("star", "starlet"),
    "cup": ("cup", "mug"),
    "key": ("key", "latchkey"),
    "umbrella": ("umbrella", "parasol"),
    "clock": ("clock", "timepiece"),
    "guitar": ("guitar", "ukulele"),
    "crown": ("crown", "tiara"),
}
COLOUR_WORDS = {
    "red": ("red", "scarlet", "crimson"),
    "orange": ("orange", "tangerine"),
    "yellow": ("yellow", "lemon"),
    "green": ("green", "emerald"),
    "blue": ("blue", "azure"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "rosy"),
    "brown": ("brown", "chestnut"),
    "gray": ("gray", "grey"),
    "white": ("white", "pale"),
}
SIZE_WORDS = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium", "average"),
    "large": ("large", "big", "huge"),
}
STYLE_WORDS = {
    "photo": ("photo", "photograph", "snapshot"),
    "sketch": ("sketch", "pencil drawing"),
    "painting": ("painting", "oil painting"),
    "mosaic": ("mosaic", "tile picture"),
    "silhouette": ("silhouette", "shadow"),
    "neon sign": ("neon sign", "glowing sign"),
    "blueprint": ("blueprint", "technical plan"),
    "cartoon": ("cartoon", "comic"),
}
NEUTRAL_WORDS = ("picture", "image")
BACKGROUND_PHRASES = {
    "meadow": ("in the meadow", "on the grass", "in a field"),
    "beach": ("on the beach", "by the sea", "on the sand"),
    "snow": ("in the snow", "in winter", "below the icy mountains"),
    "night": ("at night", "under the moon", "in the dark"),
    "city": ("in the city", "on the street", "downtown"),
    "forest": ("in the forest", "in the woods"),
    "desert": ("in the desert", "by the pyramids", "on the dunes"),
    "room": ("in the room", "indoors", "by the window"),
}
NUMBER_WORDS = {1: "one", 2: "two", 3: "three"}
FILLER_ADJECTIVES = "nice lovely pretty cute plain simple funny beautiful good fine".split()

# --- words of stories, questions and counting: the wider vocabulary -------------------------------

PEOPLE = (
    "child girl boy mother father sister brother grandmother grandfather aunt uncle friend teacher "
    "sailor farmer baker painter singer dancer doctor nurse king queen prince princess pirate "
    "wizard witch giant robot clown cook driver pilot gardener fisherman hunter shepherd merchant "
    "student poet writer artist soldier knight neighbour stranger traveller explorer captain "
    "builder carpenter tailor thief guard judge mayor twin baby lady gentleman"
).split()
CREATURES = (
    "horse cow sheep pig goat hen duck goose mouse rabbit fox wolf bear lion tiger elephant monkey "
    "frog turtle snake bee ant spider owl eagle whale dolphin shark crab dragon donkey camel deer "
    "hedgehog squirrel swan parrot penguin"
).split()
NOUNS = (
    "table chair bed lamp door roof wall floor garden bridge road river lake mountain valley "
    "island cloud rain wind storm rainbow stone bread cake cheese soup honey milk tea coffee egg "
    "carrot potato cherry banana pear grape nut salt sugar hat coat shoe sock glove scarf shirt "
    "dress button pocket bag basket box bottle plate spoon knife fork candle mirror picture letter "
    "book page story song drum flute violin piano bell toy doll kite puzzle game map compass "
    "treasure coin ring necklace ladder hammer nail rope wheel engine train bus bicycle wagon "
    "station market shop school library museum castle tower palace farm village town country world "
    "sky sun earth fire water air ice shadow light dream secret question answer idea mistake "
    "surprise party birthday holiday morning evening summer spring autumn day week month year hour "
    "minute second eye ear nose mouth hand foot arm leg head heart hair tail wing feather leaf "
    "root seed branch paper pencil ink paint canvas frame line circle square corner edge middle "
    "side top bottom front back half piece"
).split()
ADJECTIVES = (
    "happy sad angry tired hungry thirsty sleepy brave shy clever foolish kind cruel gentle wild "
    "quiet loud slow quick fast lazy busy young old new ancient modern rich poor strong weak heavy "
    "tall short long wide narrow deep round flat sharp soft hard smooth rough wet dry warm cold "
    "hot cool clean dirty bright dull shiny empty full open sweet sour bitter salty fresh ripe "
    "strange famous lonely proud curious careful lucky magic golden silver wooden broken lost "
    "hidden perfect ordinary special favourite wonderful terrible peaceful noisy friendly patient "
    "honest merry grand humble sepia"
).split()
VERBS_PAST = (
    "walked danced jumped climbed laughed cried smiled waited listened looked played painted "
    "cooked cleaned washed worked travelled sailed landed floated rolled turned opened closed "
    "pushed pulled carried dropped lifted followed helped thanked asked answered called shouted "
    "whispered wished wanted needed liked loved hated remembered learned counted finished started "
    "stopped arrived stayed lived moved rested dreamed woke slept ate drank sang ran swam flew sat "
    "stood fell found lost gave took made built drew wrote read saw heard felt knew thought said "
    "told bought sold hid met won"
).split()
VERBS = (
    "walk dance jump climb laugh smile wait listen look play paint cook clean work travel sail "
    "float roll turn open close push pull carry follow help ask answer call wish want need like "
    "love remember learn count finish start stop stay live move rest dream sleep eat drink sing "
    "run swim fly sit stand find give take make build draw write see hear feel know think say tell "
    "be"
).split()
ADVERBS = (
    "slowly quickly quietly loudly happily sadly gently bravely carefully suddenly always never "
    "often sometimes again soon later today tomorrow yesterday together alone away nearby far "
    "inside outside upstairs everywhere nowhere almost really very quite"
).split()
MORE_NUMBERS = (
    "zero four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
).split()
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()

# The names of the pocket world for readers of Chinese. Captions stay English: that is the language
# the models read.
# fmt: off
CHINESE_WORDS = {
    "cat": "猫", "dog": "狗", "fish": "鱼", "bird": "鸟", "butterfly": "蝴蝶", "snail": "蜗牛",
    "tree": "树", "flower": "花", "mushroom": "蘑菇", "cactus": "仙人掌", "apple": "苹果",
    "house": "房子", "car": "汽车", "boat": "小船", "plane": "飞机", "rocket": "火箭",
    "ball": "皮球", "star": "星星", "cup": "杯子", "key": "钥匙", "umbrella": "雨伞",
    "clock": "时钟", "guitar": "吉他", "crown": "王冠", "red": "红色", "orange": "橙色",
    "yellow": "黄色", "green": "绿色", "blue": "蓝色", "purple": "紫色", "pink": "粉色",
    "brown": "棕色", "gray": "灰色", "white": "白色", "small": "小号", "medium": "中号",
    "large": "大号", "meadow": "草地", "beach": "海滩", "snow": "雪地", "night": "夜晚",
    "city": "城市", "forest": "森林", "desert": "沙漠", "room": "房间", "photo": "仿照片",
    "sketch": "素描", "painting": "油画", "mosaic": "马赛克", "silhouette": "剪影",
    "neon sign": "霓虹灯", "blueprint": "蓝图", "cartoon": "卡通", "sepia print": "泛黄老照片",
    # what one projection can be prompted to do
    "describe": "描述", "count": "数数", "colour": "颜色", "story": "故事",
}
# fmt: on


def translate(word: str) -> str:
    """A word of the pocket world in the learner's language: "cat", or in Chinese "猫"."""
    return say(en=word, zh=CHINESE_WORDS.get(word, word))
