# %% [markdown]
# Wrong answers to the exercises of lesson 04, each in a cell: it takes the stub's place, and the check must then name the mistake.
# exercise: the id of the exercise's cell. en, zh: a part of what the check says. tests/test_exercises.py runs them.

# %% exercise="nearest-exercise" en="Long rows win" zh="占了便宜"
def nearest(vectors, table, k):
    return (vectors @ table.T).topk(k).indices

# %% exercise="nearest-exercise" en="Normalising the vectors alone does not help" zh="只把向量归一化没有用"
def nearest(vectors, table, k):
    return (F.normalize(vectors, dim=-1) @ table.T).topk(k).indices

# %% exercise="nearest-exercise" en="by Euclidean distance" zh="按欧氏距离"
def nearest(vectors, table, k):
    return torch.cdist(vectors, table).topk(k, largest=False).indices

# %% exercise="nearest-exercise" en="These are the farthest" zh="这些是最远的"
def nearest(vectors, table, k):
    return reading.measure_distances(vectors, table).topk(k).indices

# %% exercise="nearest-exercise" en="along the wrong dimension" zh="归一化的维度错了"
def nearest(vectors, table, k):
    return (F.normalize(vectors, dim=0) @ F.normalize(table, dim=0).T).topk(k).indices

# %% exercise="nearest-exercise" en="along the wrong dimension" zh="归一化的维度错了"
def nearest(vectors, table, k):
    return (F.normalize(vectors, dim=-1) @ F.normalize(table, dim=0).T).topk(k).indices

# %% exercise="nearest-exercise" en="compete for the rows" zh="争同一行"
def nearest(vectors, table, k):
    return (-reading.measure_distances(vectors, table)).softmax(0).topk(k).indices

# %% exercise="nearest-exercise" en="Floats: cosines or distances" zh="这是浮点数"
def nearest(vectors, table, k):
    return reading.measure_distances(vectors, table).topk(k, largest=False).values

# %% exercise="nearest-exercise" en="The ids are the indices" zh="编号是 indices"
def nearest(vectors, table, k):
    return reading.measure_distances(vectors, table).topk(k, largest=False)

# %% exercise="nearest-exercise" en="the nearest stands last" zh="排在了最后"
def nearest(vectors, table, k):
    return reading.measure_distances(vectors, table).argsort(descending=True)[:, -k:]

# %% exercise="nearest-exercise" en="but not in order" zh="顺序不对"
def nearest(vectors, table, k):
    return reading.find_nearest_tokens(vectors, table, k).ids.sort(-1).values

# %% exercise="nearest-exercise" en="Keep the first k" zh="只留前 k 个"
def nearest(vectors, table, k):
    return reading.measure_distances(vectors, table).argsort()

# %% exercise="nearest-exercise" en="You chose along the first dimension" zh="沿第一维"
def nearest(vectors, table, k):
    return reading.measure_distances(vectors, table).argsort(0)[:k]

# %% exercise="nearest-exercise" en="it is of type list" zh="现在是 list"
def nearest(vectors, table, k):
    return reading.find_nearest_tokens(vectors, table, k).ids.tolist()

# %% exercise="nearest-exercise" en="`table` itself was changed" zh="table 本身被改了"
def nearest(vectors, table, k):
    table /= table.norm(dim=-1, keepdim=True)
    return (vectors @ table.T).topk(k).indices

# %% exercise="nearest-exercise" en="the numbers of the k rows" zh="余弦最大的 k 行"
def nearest(vectors, table, k):
    return 1 + reading.find_nearest_tokens(vectors, table, k).ids

# %% exercise="nearest-exercise" en="is there a return" zh="少了 return"
def nearest(vectors, table, k):
    (vectors @ table.T).topk(k)

# %% exercise="reads-back-exercise" en="yes to every table of this width" zh="不管什么表你都说对"
def reads_back(known, ids, table):
    return known.shape[-1] == table.shape[-1]

# %% exercise="reads-back-exercise" en="A rotated table got through" zh="旋转过的表"
def reads_back(known, ids, table):
    return torch.allclose(known.norm(dim=-1), table[ids].norm(dim=-1))

# %% exercise="reads-back-exercise" en="every angle between two words" zh="词与词之间的夹角"
def reads_back(known, ids, table):
    return torch.allclose(instruments.compute_cosines(known), instruments.compute_cosines(table[ids]), atol=1e-4)

# %% exercise="reads-back-exercise" en="the table of a relative" zh="一个近亲"
def reads_back(known, ids, table):
    return bool((torch.cdist(known, table).argmin(-1) == ids).all())

# %% exercise="reads-back-exercise" en="one of the five words" zh="五个词里有一个"
def reads_back(known, ids, table):
    return bool((reading.find_nearest_tokens(known, table, 1).ids[:, 0] == ids).any())

# %% exercise="reads-back-exercise" en="at another word's number" zh="成了别的词的"
def reads_back(known, ids, table):
    return bool((torch.cdist(known, table).min(-1).values < 1e-3).all())

# %% exercise="reads-back-exercise" en="each row is twice as long" zh="模长都大了一倍"
def reads_back(known, ids, table):
    near = reading.find_nearest_tokens(known, table, 1)
    return bool((near.ids[:, 0] == ids).all() and (near.distances < 1e-6).all())

# %% exercise="reads-back-exercise" en="Allow for rounding" zh="容许舍入"
def reads_back(known, ids, table):
    return torch.equal(known, table[ids])

# %% exercise="reads-back-exercise" en="differences have a sign" zh="差有正有负"
def reads_back(known, ids, table):
    return bool((table[ids] - known).max() < 1e-5)

# %% exercise="reads-back-exercise" en="need not be row 0" zh="不一定在第 0 行"
def reads_back(known, ids, table):
    return bool((torch.cdist(known, table).argmin(-1) == torch.arange(len(ids))).all())

# %% exercise="reads-back-exercise" en="no even to the table" zh="连它也说不对"
def reads_back(known, ids, table):
    return not torch.allclose(known, table[ids])

# %% exercise="reads-back-exercise" en="Many answers came back" zh="返回了许多个答案"
def reads_back(known, ids, table):
    return torch.cdist(known, table).argmin(-1) == ids

# %% exercise="reads-back-exercise" en="this is of type float" zh="你给的是 float"
def reads_back(known, ids, table):
    return table[ids].norm().item()

# %% exercise="reads-back-exercise" en="is there a return" zh="少了 return"
def reads_back(known, ids, table):
    torch.allclose(known, table[ids])

# %% exercise="pca-exercise" en="Not centred" zh="没有中心化"
def pca(table, n):
    _, S, Vh = torch.linalg.svd(table, full_matrices=False)
    return table.mean(0), Vh[:n], S[:n] ** 2 / (S**2).sum()

# %% exercise="pca-exercise" en="one for every word" zh="一个词一个"
def pca(table, n):
    mean = table.mean(0)
    U, S, _ = torch.linalg.svd(table - mean, full_matrices=False)
    return mean, U[:, :n].T, S[:n] ** 2 / (S**2).sum()

# %% exercise="pca-exercise" en="the places where the words end up" zh="投影后的位置"
def pca(table, n):
    mean = table.mean(0)
    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)
    return mean, (table - mean) @ Vh[:n].T, S[:n] ** 2 / (S**2).sum()

# %% exercise="pca-exercise" en="The directions stand in columns" zh="方向是竖着放的"
def pca(table, n):
    mean = table.mean(0)
    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)
    return mean, Vh[:n].T, S[:n] ** 2 / (S**2).sum()

# %% exercise="pca-exercise" en="columns where directions stand in rows" zh="你取的却是列"
def pca(table, n):
    mean = table.mean(0)
    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)
    return mean, Vh[:, :n].T, S[:n] ** 2 / (S**2).sum()

# %% exercise="pca-exercise" en="eigh puts the smallest first" zh="eigh 把最小的排在前面"
def pca(table, n):
    mean = table.mean(0)
    values, axes = torch.linalg.eigh((table - mean).T @ (table - mean))
    return mean, axes[:, :n].T, values[:n] / values.sum()

# %% exercise="pca-exercise" en="largest share stands last" zh="占比最大的排在了最后"
def pca(table, n):
    mean = table.mean(0)
    values, axes = torch.linalg.eigh((table - mean).T @ (table - mean))
    return mean, axes[:, -n:].T, values[-n:] / values.sum()

# %% exercise="pca-exercise" en="divided each column by its spread" zh="除以了标准差"
def pca(table, n):
    mean = table.mean(0)
    _, S, Vh = torch.linalg.svd((table - mean) / table.std(0), full_matrices=False)
    return mean, Vh[:n], S[:n] ** 2 / (S**2).sum()

# %% exercise="pca-exercise" en="their lengths are not 1" zh="模长却不是 1"
def pca(table, n):
    mean = table.mean(0)
    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)
    return mean, S[:n, None] * Vh[:n], S[:n] ** 2 / (S**2).sum()

# %% exercise="pca-exercise" en="A variance is a square" zh="方差是平方"
def pca(table, n):
    mean = table.mean(0)
    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)
    return mean, Vh[:n], S[:n] / S.sum()

# %% exercise="pca-exercise" en="seem to explain everything" zh="好像全都解释了"
def pca(table, n):
    mean = table.mean(0)
    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)
    return mean, Vh[:n], S[:n] ** 2 / (S[:n] ** 2).sum()

# %% exercise="pca-exercise" en="Two things" zh="有两处"
def pca(table, n):
    mean = table.mean(0)
    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)
    return mean, Vh[:n], S[:n] / S[:n].sum()

# %% exercise="pca-exercise" en="Squared once too often" zh="多平方了一次"
def pca(table, n):
    mean = table.mean(0)
    values, axes = torch.linalg.eigh((table - mean).T @ (table - mean))
    values, axes = values.flip(0), axes.flip(1)
    return mean, axes[:, :n].T, values[:n] ** 2 / (values**2).sum()

# %% exercise="pca-exercise" en="running totals" zh="逐个累加"
def pca(table, n):
    mean = table.mean(0)
    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)
    return mean, Vh[:n], (S**2 / (S**2).sum()).cumsum(0)[:n]

# %% exercise="pca-exercise" en="in percent" zh="百分数"
def pca(table, n):
    mean = table.mean(0)
    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)
    return mean, Vh[:n], 100 * S[:n] ** 2 / (S**2).sum()

# %% exercise="pca-exercise" en="These are variances" zh="这是方差"
def pca(table, n):
    mean = table.mean(0)
    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)
    return mean, Vh[:n], S[:n] ** 2 / (len(table) - 1)

# %% exercise="pca-exercise" en="shares stand in the reverse order" zh="占比的次序反了"
def pca(table, n):
    mean = table.mean(0)
    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)
    return mean, Vh[:n], (S[:n] ** 2 / (S**2).sum()).flip(0)

# %% exercise="pca-exercise" en="explained should have the shape (2,)" zh="explained 的形状应该是 (2,)"
def pca(table, n):
    mean = table.mean(0)
    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)
    return mean, Vh[:n], S**2 / (S**2).sum()

# %% exercise="pca-exercise" en="mean of each column" zh="每一列的平均"
def pca(table, n):
    _, S, Vh = torch.linalg.svd(table - table.mean(), full_matrices=False)
    return table.mean(), Vh[:n], S[:n] ** 2 / (S**2).sum()

# %% exercise="pca-exercise" en="mean of a centred table is 0" zh="中心化以后的表"
def pca(table, n):
    table = table - table.mean(0)
    _, S, Vh = torch.linalg.svd(table, full_matrices=False)
    return table.mean(0), Vh[:n], S[:n] ** 2 / (S**2).sum()

# %% exercise="pca-exercise" en="`table` itself was changed" zh="table 本身被改了"
def pca(table, n):
    mean = table.mean(0)
    table -= mean
    _, S, Vh = torch.linalg.svd(table, full_matrices=False)
    return mean, Vh[:n], S[:n] ** 2 / (S**2).sum()

# %% exercise="pca-exercise" en="Three things are to come back" zh="要返回三样东西"
def pca(table, n):
    return torch.linalg.svd(table - table.mean(0), full_matrices=False).Vh[:n]

# %% exercise="pca-exercise" en="is there a return" zh="少了 return"
def pca(table, n):
    mean = table.mean(0)

# %% exercise="snap-exercise" en="These are numbers of rows" zh="这是行的编号"
def snap(vectors, table, allowed):
    return reading.find_nearest_tokens(vectors, table, 1, rows=allowed).ids[:, 0]

# %% exercise="snap-exercise" en="through the whole table" zh="整张表都找了一遍"
def snap(vectors, table, allowed):
    return table[reading.find_nearest_tokens(vectors, table, 1).ids[:, 0]]

# %% exercise="snap-exercise" en="a number in the whole table" zh="当成了整张表里的行号"
def snap(vectors, table, allowed):
    return table[reading.measure_distances(vectors, table[allowed]).argmin(-1)]

# %% exercise="snap-exercise" en="Snapped by Euclidean distance" zh="按欧氏距离"
def snap(vectors, table, allowed):
    return table[allowed[torch.cdist(vectors, table[allowed]).argmin(-1)]]

# %% exercise="snap-exercise" en="Chosen by the dot product" zh="按点积挑"
def snap(vectors, table, allowed):
    return table[allowed[(vectors @ table[allowed].T).argmax(-1)]]

# %% exercise="snap-exercise" en="but of length 1" zh="模长却成了 1"
def snap(vectors, table, allowed):
    words = F.normalize(table[allowed], dim=-1)
    return words[(vectors @ words.T).argmax(-1)]

# %% exercise="snap-exercise" en="and the length of the vector" zh="模长却还是原来向量的"
def snap(vectors, table, allowed):
    words = F.normalize(table[allowed], dim=-1)
    return words[(vectors @ words.T).argmax(-1)] * vectors.norm(dim=-1, keepdim=True)

# %% exercise="snap-exercise" en="These are the farthest" zh="这些是最远的"
def snap(vectors, table, allowed):
    return table[allowed[reading.measure_distances(vectors, table[allowed]).argmax(-1)]]

# %% exercise="snap-exercise" en="a dimension too many" zh="多了一维"
def snap(vectors, table, allowed):
    return table[reading.find_nearest_tokens(vectors, table, 1, rows=allowed).ids]

# %% exercise="snap-exercise" en="without dim=-1, argmax counts through all" zh="不写 dim=-1"
def snap(vectors, table, allowed):
    return table[allowed[reading.measure_distances(vectors, table[allowed]).argmin()]]

# %% exercise="snap-exercise" en="Nothing has been snapped" zh="什么也没换"
def snap(vectors, table, allowed):
    return vectors

# %% exercise="snap-exercise" en="Not every vector that came back is a row" zh="根本不是表里的行"
def snap(vectors, table, allowed):
    return (reading.snap(vectors, table, allowed) + vectors) / 2

# %% exercise="snap-exercise" en="`table` itself was changed" zh="table 本身被改了"
def snap(vectors, table, allowed):
    words = table[allowed]
    table /= table.norm(dim=-1, keepdim=True)
    return words[(vectors @ table[allowed].T).argmax(-1)]

# %% exercise="snap-exercise" en="of the allowed rows the one" zh="在允许的行里"
def snap(vectors, table, allowed):
    return table[allowed[[0, 1, 2, 3]]]

# %% exercise="snap-exercise" en="is there a return" zh="少了 return"
def snap(vectors, table, allowed):
    table[allowed]

# %% exercise="permutation-exercise" en="you say p = 0" zh="你就说 p = 0"
def p_value(observed, null):
    return (null <= observed).float().mean()

# %% exercise="permutation-exercise" en="a tie would speak for us" zh="打平也成了对我们有利"
def p_value(observed, null):
    return (1 + (null < observed).sum()) / (1 + len(null))

# %% exercise="permutation-exercise" en="The wrong side" zh="方向反了"
def p_value(observed, null):
    return (1 + (null >= observed).sum().item()) / (1 + len(null))

# %% exercise="permutation-exercise" en="The wrong side" zh="方向反了"
def p_value(observed, null):
    return 1 - (1 + (null <= observed).sum().item()) / (1 + len(null))

# %% exercise="permutation-exercise" en="two-sided p-value" zh="双侧的 p 值"
def p_value(observed, null):
    return min(1, 2 * nulls.compute_p_value(observed, null))

# %% exercise="permutation-exercise" en="two-sided p-value" zh="双侧的 p 值"
def p_value(observed, null):
    apart = (null - null.mean()).abs()
    return (1 + (apart >= abs(observed - null.mean())).sum()) / (1 + len(null))

# %% exercise="permutation-exercise" en="That is a count" zh="这是个数"
def p_value(observed, null):
    return 1 + (null <= observed).sum()

# %% exercise="permutation-exercise" en="could be larger than 1" zh="可能大于 1"
def p_value(observed, null):
    return (1 + (null <= observed).sum()) / len(null)

# %% exercise="permutation-exercise" en="counts below the line, but not above it" zh="却没有算进分子"
def p_value(observed, null):
    return (null <= observed).sum() / (1 + len(null))

# %% exercise="permutation-exercise" en="in percent" zh="百分数"
def p_value(observed, null):
    return 100 * nulls.compute_p_value(observed, null)

# %% exercise="permutation-exercise" en="this is of type bool" zh="你给的是 bool"
def p_value(observed, null):
    return nulls.compute_p_value(observed, null) < 0.05

# %% exercise="permutation-exercise" en="a tensor of 9" zh="含 9 个数的张量"
def p_value(observed, null):
    return null <= observed

# %% exercise="permutation-exercise" en="Of all draws" zh="在全部抽取"
def p_value(observed, null):
    return ((observed - null.mean()) / null.std()).item()

# %% exercise="permutation-exercise" en="is there a return" zh="少了 return"
def p_value(observed, null):
    (null <= observed).sum()

# %% exercise="influence-exercise" en="That one is missed least" zh="最不缺的那个"
def most_missed(score, vectors):
    without = [score(fewer) for fewer in instruments.leave_one_out(vectors)]
    return without.index(max(without))

# %% exercise="influence-exercise" en="that is not leaving it out" zh="这不等于去掉它"
def most_missed(score, vectors):
    without = []
    for i in range(len(vectors)):
        fewer = vectors.clone()
        fewer[i] = 0
        without.append(score(fewer))
    return without.index(min(without))

# %% exercise="influence-exercise" en="That is an accuracy" zh="这是准确率"
def most_missed(score, vectors):
    return min(score(fewer) for fewer in instruments.leave_one_out(vectors))

# %% exercise="influence-exercise" en="That is how much is lost" zh="这是准确率降了多少"
def most_missed(score, vectors):
    whole = score(vectors)
    return max(whole - score(fewer) for fewer in instruments.leave_one_out(vectors))

# %% exercise="influence-exercise" en="Counted from 1" zh="你是从 1 数起的"
def most_missed(score, vectors):
    without = [score(fewer) for fewer in instruments.leave_one_out(vectors)]
    return 1 + without.index(min(without))

# %% exercise="influence-exercise" en="More and more vectors are gone" zh="向量越去越多"
def most_missed(score, vectors):
    lost, before = [], score(vectors)
    for i in range(len(vectors)):
        after = score(vectors[i + 1 :])
        lost.append(before - after)
        before = after
    return lost.index(max(lost))

# %% exercise="influence-exercise" en="what each vector can do alone" zh="单独能做到什么"
def most_missed(score, vectors):
    alone = [score(vector[None]) for vector in vectors]
    return alone.index(max(alone))

# %% exercise="influence-exercise" en="score wants vectors" zh="score 要的是若干个向量"
def most_missed(score, vectors):
    alone = [score(vector) for vector in vectors]
    return alone.index(max(alone))

# %% exercise="influence-exercise" en="never asked" zh="一次也没有"
def most_missed(score, vectors):
    return vectors.norm(dim=-1).argmax()

# %% exercise="influence-exercise" en="never asked with 7 vectors" zh="从来没有用 7 个向量"
def most_missed(score, vectors):
    lost = []
    for i in range(len(vectors)):
        other = vectors.clone()
        other[i] = vectors.mean(0)
        lost.append(score(other))
    return lost.index(min(lost))

# %% exercise="influence-exercise" en="That is a vector" zh="这是一个向量"
def most_missed(score, vectors):
    without = [score(fewer) for fewer in instruments.leave_one_out(vectors)]
    return vectors[without.index(min(without))]

# %% exercise="influence-exercise" en="a tensor of 8" zh="含 8 个数的张量"
def most_missed(score, vectors):
    return torch.tensor([score(fewer) for fewer in instruments.leave_one_out(vectors)])

# %% exercise="influence-exercise" en="this is of type list" zh="你给的是 list"
def most_missed(score, vectors):
    return [score(fewer) for fewer in instruments.leave_one_out(vectors)]

# %% exercise="influence-exercise" en="Not that one" zh="不是这一个"
def most_missed(score, vectors):
    without = [score(fewer) for fewer in instruments.leave_one_out(vectors)]
    return without.index(sorted(without)[1])

# %% exercise="influence-exercise" en="is there a return" zh="少了 return"
def most_missed(score, vectors):
    score(vectors)
