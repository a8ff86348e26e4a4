"""The papers' equations as plain loops over NumPy numbers, one sequence at a time: slow, and easy to check by eye.

Graves et al. 2014 (NTM) and Graves et al. 2016 (DNC), with their names. N slots, W words, R read heads, H write heads.
"""

import math

import numpy as np


def norm(vector):
    return math.sqrt(sum(x * x for x in vector) + 1e-6)


def cosine(row, key, mask=None):
    mask = np.ones(len(key)) if mask is None else mask
    dot = sum(m * k * m * x for m, k, x in zip(mask, key, row, strict=True))
    return dot / (norm(mask * key) * norm(mask * row))


def content(memory, key, strength, mask=None):
    scores = [strength * cosine(row, key, mask) for row in memory]
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    return np.array(powers) / sum(powers)


def shift(weighting, shifts):
    slots, reach = len(weighting), len(shifts) // 2
    result = np.zeros(slots)
    for n in range(slots):
        for j in range(-reach, reach + 1):
            result[n] += weighting[(n - j) % slots] * shifts[j + reach]
    return result


def sharpen(weighting, gamma):
    powers = np.array([w**gamma for w in weighting])
    return powers / powers.sum()


def retention(free_gates, reads):
    kept = np.ones(reads.shape[1])
    for gate, read in zip(free_gates, reads, strict=True):
        for n in range(len(kept)):
            kept[n] *= 1 - gate * read[n]
    return kept


def usage(previous, writes, retained):
    result = np.zeros(len(previous))
    for n in range(len(previous)):
        free = 1.0
        for write in writes:
            free *= 1 - write[n]
        written = 1 - free
        result[n] = (previous[n] + written - previous[n] * written) * retained[n]
    return result


def ascending(used, tie=1e-10):
    """The slots from the least used to the most; a run of neighbours in usage less than a tie apart, by position."""
    order, runs = sorted(range(len(used)), key=lambda n: used[n]), []
    for before, slot in zip([None, *order], order, strict=False):
        if before is None or used[slot] - used[before] > tie:
            runs.append([])
        runs[-1].append(slot)
    return [slot for run in runs for slot in sorted(run)]


def allocation(used):
    order = ascending(used)
    result, product = np.zeros(len(used)), 1.0
    for n in order:
        result[n] = (1 - used[n]) * product
        product *= used[n]
    return result


def allocations(used, gates):
    rows, used = [], used.copy()
    for gate in gates:
        rows.append(allocation(used))
        for n in range(len(used)):
            used[n] += (1 - used[n]) * gate * rows[-1][n]
    return np.array(rows)


def link(previous, precedence, write):
    slots = len(write)
    result = np.zeros((slots, slots))
    for i in range(slots):
        for j in range(slots):
            if i != j:
                result[i, j] = (1 - write[i] - write[j]) * previous[i, j] + write[i] * precedence[j]
    return result


def erase_and_add(memory, writes, erase, add):
    result = memory.copy()
    for n in range(len(memory)):
        for w in range(memory.shape[1]):
            for head in range(len(writes)):
                result[n, w] *= 1 - writes[head][n] * erase[head][w]
            for head in range(len(writes)):
                result[n, w] += writes[head][n] * add[head][w]
    return result


def content_step(part, state, config):
    keys = config.key_width
    writes = [
        part["write_gates"][h] * content(state["memory"][:, :keys], part["write_keys"][h], part["write_strengths"][h])
        for h in range(config.num_write_heads)
    ]
    memory = erase_and_add(state["memory"], writes, part["erase"], part["add"])
    reads = [
        content(memory[:, :keys], part["read_keys"][r], part["read_strengths"][r]) for r in range(config.num_read_heads)
    ]
    return {"memory": memory, "write_weightings": np.array(writes), "read_weightings": np.array(reads)}


def ntm_weighting(part, side, head, memory, previous):
    weighting = content(memory, part[f"{side}_keys"][head], part[f"{side}_strengths"][head])
    gate = part[f"{side}_interpolation"][head]
    weighting = gate * weighting + (1 - gate) * previous
    moved = shift(weighting, part[f"{side}_shifts"][head])
    return sharpen(moved, part[f"{side}_gammas"][head]) if f"{side}_gammas" in part else moved


def ntm_step(part, state, config):
    old = state["memory"]
    writes = [ntm_weighting(part, "write", h, old, w) for h, w in enumerate(state["write_weightings"])]
    memory = erase_and_add(old, writes, part["erase"], part["add"])
    reads = [ntm_weighting(part, "read", r, memory, w) for r, w in enumerate(state["read_weightings"])]
    return {"memory": memory, "write_weightings": np.array(writes), "read_weightings": np.array(reads)}


def dnc_step(part, state, config):
    retained = retention(part["free_gates"], state["read_weightings"])
    used = usage(state["usage"], state["write_weightings"], retained)
    free = allocations(used, part["allocation_gates"] * part["write_gates"])
    old, writes, links, precedence = state["memory"], [], [], []
    for h in range(config.num_write_heads):
        sought = content(old, part["write_keys"][h], part["write_strengths"][h])
        gate = part["allocation_gates"][h]
        writes.append(part["write_gates"][h] * (gate * free[h] + (1 - gate) * sought))
        links.append(link(state["link"][h], state["precedence"][h], writes[h]))
        precedence.append((1 - writes[h].sum()) * state["precedence"][h] + writes[h])
    memory = erase_and_add(old, writes, part["erase"], part["add"])
    reads = []
    for r in range(config.num_read_heads):
        modes, before = part["read_modes"][r], state["read_weightings"][r]
        paths = [matrix.T @ before for matrix in links]
        paths += [content(memory, part["read_keys"][r], part["read_strengths"][r])]
        paths += [matrix @ before for matrix in links]
        reads.append(sum(mode * path for mode, path in zip(modes, paths, strict=True)))
    return {
        "memory": memory, "write_weightings": np.array(writes), "read_weightings": np.array(reads), "usage": used,
        "precedence": np.array(precedence), "link": np.array(links),
    }  # fmt: skip


STEPS = {"content": content_step, "ntm": ntm_step, "dnc": dnc_step}
