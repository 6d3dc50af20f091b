# %% [markdown]
# Wrong answers to the exercises of lesson 06, each in a cell: it takes the stub's place, and the check must then name the mistake.
# exercise: the id of the exercise's cell. en, zh: a part of what the check says. tests/test_exercises.py runs them.

# %% exercise="difference-exercise" en="without a sign" zh="没有负数"
def difference(one, other):
    return np.abs(one - other).mean()

# %% exercise="difference-exercise" en="without a sign" zh="没有负数"
def difference(one, other):
    return (one - other).sum()

# %% exercise="difference-exercise" en="cancel out" zh="抵消"
def difference(one, other):
    return (one.astype(float) - other).mean()

# %% exercise="difference-exercise" en="cancel out" zh="抵消"
def difference(one, other):
    return abs(one.mean() - other.mean())

# %% exercise="difference-exercise" en="That is the sum" zh="这是总和"
def difference(one, other):
    return np.abs(one.astype(int) - other).sum()

# %% exercise="difference-exercise" en="largest difference" zh="最大的差"
def difference(one, other):
    return np.abs(one.astype(int) - other).max()

# %% exercise="difference-exercise" en="squares" zh="平方"
def difference(one, other):
    return ((one.astype(float) - other) ** 2).mean()

# %% exercise="difference-exercise" en="shares of 255" zh="占 255 的比例"
def difference(one, other):
    return np.abs(one / 255 - other / 255).mean()

# %% exercise="difference-exercise" en="A number is wanted" zh="要的是一个数"
def difference(one, other):
    return (one == other).all()

# %% exercise="difference-exercise" en="one for each pixel" zh="每个像素一个"
def difference(one, other):
    return np.abs(one.astype(int) - other)

# %% exercise="difference-exercise" en="is there a return" zh="少了 return"
def difference(one, other):
    x = np.abs(one.astype(int) - other).mean()

# %% exercise="difference-exercise" en="Not this number" zh="不是这个数"
def difference(one, other):
    return 3.0

# %% exercise="difference-exercise" en="the median" zh="中位数"
def difference(one, other):
    return np.median(np.abs(one.astype(int) - other))

# %% exercise="difference-exercise" en="int8" zh="存得下"
def difference(one, other):
    return np.abs(one.astype(np.int8) - other.astype(np.int8)).mean()

# %% exercise="split-exercise" en="same seed" zh="同一个种子"
def split(labels, generator):
    parts = [], [], []
    for label in labels.unique():
        numbers = (labels == label).nonzero().flatten()
        numbers = numbers[torch.randperm(len(numbers))]
        quarter = max(1, len(numbers) // 4)
        sizes = [len(numbers) - 2 * quarter, quarter, quarter]
        for part, mine in zip(parts, numbers.split(sizes)):
            part.append(mine)
    return [torch.cat(part) for part in parts]

# %% exercise="split-exercise" en="order of their names" zh="按文件名"
def split(labels, generator):
    parts = [], [], []
    for label in labels.unique():
        numbers = (labels == label).nonzero().flatten()
        quarter = max(1, len(numbers) // 4)
        sizes = [len(numbers) - 2 * quarter, quarter, quarter]
        for part, mine in zip(parts, numbers.split(sizes)):
            part.append(mine)
    return [torch.cat(part) for part in parts]

# %% exercise="split-exercise" en="A class is missing" zh="缺了某个类别"
def split(labels, generator):
    n = len(labels)
    order = torch.randperm(n, generator=generator)
    return order[n // 2:], order[n // 4:n // 2], order[:n // 4]

# %% exercise="split-exercise" en="stand in two parts" zh="同时在两个部分"
def split(labels, generator):
    parts = [], [], []
    for label in labels.unique():
        numbers = (labels == label).nonzero().flatten()
        numbers = numbers[torch.randperm(len(numbers), generator=generator)]
        for part, mine in zip(parts, [numbers, numbers[:2], numbers[:2]]):
            part.append(mine)
    return [torch.cat(part) for part in parts]

# %% exercise="split-exercise" en="in no part" zh="哪个部分都没进"
def split(labels, generator):
    parts = [], [], []
    for label in labels.unique():
        numbers = (labels == label).nonzero().flatten()
        numbers = numbers[torch.randperm(len(numbers), generator=generator)]
        for part, mine in zip(parts, numbers.split(len(numbers) // 3)):
            part.append(mine)
    return [torch.cat(part) for part in parts]

# %% exercise="split-exercise" en="in two parts" zh="同时在两个部分"
def split(labels, generator):
    parts = [], [], []
    for label in labels.unique():
        numbers = (labels == label).nonzero().flatten()
        numbers = torch.randperm(len(numbers), generator=generator)
        quarter = max(1, len(numbers) // 4)
        sizes = [len(numbers) - 2 * quarter, quarter, quarter]
        for part, mine in zip(parts, numbers.split(sizes)):
            part.append(mine)
    return [torch.cat(part) for part in parts]

# %% exercise="split-exercise" en="Classes of 8, 5 and 4" zh="8、5、4 张"
def split(labels, generator):
    parts = [], [], []
    for label in labels.unique():
        numbers = (labels == label).nonzero().flatten()
        numbers = numbers[torch.randperm(len(numbers), generator=generator)]
        quarter = -(-len(numbers) // 4)
        sizes = [len(numbers) - 2 * quarter, quarter, quarter]
        for part, mine in zip(parts, numbers.split(sizes)):
            part.append(mine)
    return [torch.cat(part) for part in parts]

# %% exercise="split-exercise" en="These are the labels" zh="这是图片的标签"
def split(labels, generator):
    n = len(labels)
    order = torch.randperm(n, generator=generator)
    return labels[order[8:]], labels[order[4:8]], labels[order[:4]]

# %% exercise="split-exercise" en="these are marks" zh="真假标记"
def split(labels, generator):
    draw = torch.rand(len(labels), generator=generator)
    return draw > 0.5, (draw > 0.25) & (draw <= 0.5), draw <= 0.25

# %% exercise="split-exercise" en="Three things" zh="要返回三样"
def split(labels, generator):
    return labels, labels

# %% exercise="split-exercise" en="join them" zh="接成一串"
def split(labels, generator):
    parts = [], [], []
    for label in labels.unique():
        numbers = (labels == label).nonzero().flatten()
        numbers = numbers[torch.randperm(len(numbers), generator=generator)]
        quarter = max(1, len(numbers) // 4)
        sizes = [len(numbers) - 2 * quarter, quarter, quarter]
        for part, mine in zip(parts, numbers.split(sizes)):
            part.append(mine)
    return parts

# %% exercise="split-exercise" en="flatten" zh="flatten"
def split(labels, generator):
    parts = [], [], []
    for label in labels.unique():
        numbers = (labels == label).nonzero()
        numbers = numbers[torch.randperm(len(numbers), generator=generator)]
        quarter = max(1, len(numbers) // 4)
        sizes = [len(numbers) - 2 * quarter, quarter, quarter]
        for part, mine in zip(parts, numbers.split(sizes)):
            part.append(mine)
    return [torch.cat(part) for part in parts]

# %% exercise="split-exercise" en="Classes of 7 and 3" zh="各有 7、3 张"
def split(labels, generator):
    parts = [], [], []
    for label in labels.unique():
        numbers = (labels == label).nonzero().flatten()
        numbers = numbers[torch.randperm(len(numbers), generator=generator)]
        quarter = len(numbers) // 4
        sizes = [len(numbers) - 2 * quarter, quarter, quarter]
        for part, mine in zip(parts, numbers.split(sizes)):
            part.append(mine)
    return [torch.cat(part) for part in parts]

# %% exercise="split-exercise" en="Classes of 7 and 3" zh="各有 7、3 张"
def split(labels, generator):
    parts = [], [], []
    for label in labels.unique():
        numbers = (labels == label).nonzero().flatten()
        numbers = numbers[torch.randperm(len(numbers), generator=generator)]
        quarter = round(len(numbers) / 4)
        sizes = [len(numbers) - 2 * quarter, quarter, quarter]
        for part, mine in zip(parts, numbers.split(sizes)):
            part.append(mine)
    return [torch.cat(part) for part in parts]

# %% exercise="split-exercise" en="or validated on" zh="还是那几张"
def split(labels, generator):
    parts = [], [], []
    for label in labels.unique():
        numbers = (labels == label).nonzero().flatten()
        quarter = max(1, len(numbers) // 4)
        rest = numbers[quarter:]
        rest = rest[torch.randperm(len(rest), generator=generator)]
        for part, mine in zip(parts, [rest[quarter:], numbers[:quarter], rest[:quarter]]):
            part.append(mine)
    return [torch.cat(part) for part in parts]

# %% exercise="split-exercise" en="is there a return" zh="少了 return"
def split(labels, generator):
    labels.unique()

# %% exercise="entries-exercise" en="Whole paths" zh="完整路径"
def entries(classes, folder):
    return [
        {"image_path": str(file), "text": f"a {classes.class_names[label]}."}
        for file, label in zip(classes.files, classes.labels)
    ]

# %% exercise="entries-exercise" en="cannot be written into JSON" zh="写不进 JSON"
def entries(classes, folder):
    return [
        {"image_path": file.relative_to(folder), "text": f"a {classes.class_names[label]}."}
        for file, label in zip(classes.files, classes.labels)
    ]

# %% exercise="entries-exercise" en="sub-folder got lost" zh="子文件夹丢了"
def entries(classes, folder):
    return [
        {"image_path": file.name, "text": f"a {classes.class_names[label]}."}
        for file, label in zip(classes.files, classes.labels)
    ]

# %% exercise="entries-exercise" en="name of a folder" zh="文件夹的名字"
def entries(classes, folder):
    return [
        {"image_path": file.relative_to(folder).as_posix(), "text": f"a {file.parent.name}."}
        for file, label in zip(classes.files, classes.labels)
    ]

# %% exercise="entries-exercise" en="number of the class" zh="类别的编号"
def entries(classes, folder):
    return [
        {"image_path": file.relative_to(folder).as_posix(), "text": f"a {label}."}
        for file, label in zip(classes.files, classes.labels)
    ]

# %% exercise="entries-exercise" en="no sentence yet" zh="还不是一句话"
def entries(classes, folder):
    return [
        {"image_path": file.relative_to(folder).as_posix(), "text": classes.class_names[label]}
        for file, label in zip(classes.files, classes.labels)
    ]

# %% exercise="entries-exercise" en="The keys are" zh="键要叫"
def entries(classes, folder):
    return [
        {"image": file.relative_to(folder).as_posix(), "text": f"a {classes.class_names[label]}."}
        for file, label in zip(classes.files, classes.labels)
    ]

# %% exercise="entries-exercise" en="The captions should be" zh="说明文字应该是"
def entries(classes, folder):
    return [
        {"image_path": file.relative_to(folder).as_posix(), "text": f"a photo of a {classes.class_names[label]}."}
        for file, label in zip(classes.files, classes.labels)
    ]

# %% exercise="entries-exercise" en="A list is wanted" zh="要的是列表"
def entries(classes, folder):
    return {file.name: classes.class_names[label] for file, label in zip(classes.files, classes.labels)}

# %% exercise="entries-exercise" en="one for each picture" zh="每张图一项"
def entries(classes, folder):
    return [{"image_path": name, "text": f"a {name}."} for name in classes.class_names]

# %% exercise="entries-exercise" en="A list of dicts" zh="由字典组成"
def entries(classes, folder):
    return classes.class_names

# %% exercise="entries-exercise" en="The first path should be" zh="第一个路径应该是"
def entries(classes, folder):
    return [
        {"image_path": "photos/" + file.name, "text": f"a {classes.class_names[label]}."}
        for file, label in zip(classes.files, classes.labels)
    ]

# %% exercise="entries-exercise" en="is there a return" zh="少了 return"
def entries(classes, folder):
    list(classes.files)

# %% exercise="gigabytes-exercise" en="four bytes" zh="四个字节"
gigabytes = 1e6 * 49 * 768 / 1e9

# %% exercise="gigabytes-exercise" en="Those are bits" zh="这是比特"
gigabytes = 1e6 * 49 * 768 * 32 / 1e9

# %% exercise="gigabytes-exercise" en="pooled one" zh="池化向量"
gigabytes = 1e6 * 768 * 4 / 1e9

# %% exercise="gigabytes-exercise" en="class token" zh="类别词元"
gigabytes = 1e6 * 50 * 768 * 4 / 1e9

# %% exercise="gigabytes-exercise" en="1024³" zh="1024³"
gigabytes = 1e6 * 49 * 768 * 4 / 2**30

# %% exercise="gigabytes-exercise" en="megabytes" zh="MB"
gigabytes = 1e6 * 49 * 768 * 4 / 1e6

# %% exercise="gigabytes-exercise" en="Those are bytes" zh="这是字节"
gigabytes = 1e6 * 49 * 768 * 4

# %% exercise="gigabytes-exercise" en="two copies more" zh="再复制两份"
gigabytes = 3 * 1e6 * 49 * 768 * 4 / 1e9

# %% exercise="gigabytes-exercise" en="Not this number" zh="不是这个数"
gigabytes = 16

# %% exercise="gigabytes-exercise" en="this is of type str" zh="你给的是 str"
gigabytes = "150 GB"
