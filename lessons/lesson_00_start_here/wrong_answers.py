# %% [markdown]
# Wrong answers to the exercises of lesson 00, each in a cell: it takes the stub's place, and the check must then name the mistake.
# exercise: the id of the exercise's cell. en, zh: a part of what the check says. tests/test_exercises.py runs them.

# %% exercise="how-many-numbers-code" en="how many vectors there are" zh="向量的个数"
numbers = 10

# %% exercise="how-many-numbers-code" en="how many numbers one vector has" zh="一个向量里"
numbers = 128

# %% exercise="how-many-numbers-code" en="It is frozen" zh="冻结"
numbers = clip.num_parameters()

# %% exercise="how-many-numbers-code" en="belong to words" zh="属于词语"
numbers = 14 * 128

# %% exercise="how-many-numbers-code" en="all of them share" zh="共用同样的十个"
numbers = 24 * 1280

# %% exercise="how-many-numbers-code" en="number of framed strips" zh="带框的条数"
numbers = 10 * 512

# %% exercise="how-many-numbers-code" en="number of framed strips" zh="带框的条数"
numbers = 1281

# %% exercise="how-many-numbers-code" en="this is of type str" zh="你给的是 str"
numbers = "1280"
