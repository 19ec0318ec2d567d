"""The Merkle tree of an append-only log: hashes, proofs and how they are checked (RFC 6962, RFC 9162 section 2.1).

A tree is never held whole. A ``Lookup`` gives the hash of one complete subtree: ``lookup(level, index)`` is that over
the leaves ``index << level`` up to ``(index + 1) << level``. All hashes are the 32 bytes of SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

Lookup = Callable[[int, int], bytes]
EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_BYTES = 32
PROOF_LIMIT = 64
"""No honest proof is longer: a log has fewer than 2**63 entries."""


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def completed_by(index: int, leaf: bytes, lookup: Lookup) -> list[tuple[int, int, bytes]]:
    """The subtrees ``(level, index, hash)`` that are complete once leaf ``index`` has the hash ``leaf``."""
    found = [(0, index, leaf)]
    level, place, current = 0, index, leaf
    while place & 1:
        current = node_hash(lookup(level, place - 1), current)
        level, place = level + 1, place >> 1
        found.append((level, place, current))
    return found


def root(size: int, lookup: Lookup) -> bytes:
    """MTH(D[size])."""
    return _range(0, size, lookup) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, lookup: Lookup) -> list[bytes]:
    """PATH(index, D[size]), the neighbor of the leaf first. Raises ValueError for a leaf outside of the tree."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range(middle, end, lookup))
            end = middle
        else:
            path.append(_range(start, middle, lookup))
            start = middle
    return path[::-1]


def consistency_proof(first: int, second: int, lookup: Lookup) -> list[bytes]:
    """PROOF(first, D[second]); empty where there is nothing to prove. Raises ValueError unless 0 <= first <= second."""
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {first} is no beginning of a tree of {second}")
    if first in (0, second):
        return []
    path: list[bytes] = []
    start, end, is_whole = 0, second, True
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(_range(middle, end, lookup))
            end = middle
        else:
            path.append(_range(start, middle, lookup))
            start, is_whole = middle, False
    return ([] if is_whole else [_range(start, end, lookup)]) + path[::-1]


def verify_inclusion(*, index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf hash ``leaf`` is entry ``index`` of the tree with this size and root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or not _is_sound(proof):
        return False
    place, last, current = index, size - 1, leaf
    for item in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            current = node_hash(item, current)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            current = node_hash(current, item)
        place, last = place >> 1, last >> 1
    return last == 0 and current == root


def verify_consistency(
    *, first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the first tree is the beginning of the second one (RFC 9162, 2.1.4.2)."""
    if not 0 <= first <= second or not _is_sound(proof):
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for item in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(item, old), node_hash(item, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, item)
        place, last = place >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _is_sound(proof: Sequence[bytes]) -> bool:
    return len(proof) <= PROOF_LIMIT and all(len(item) == HASH_BYTES for item in proof)


def _split(count: int) -> int:
    """The largest power of two that is smaller than ``count``."""
    return 1 << ((count - 1).bit_length() - 1)


def _range(start: int, end: int, lookup: Lookup) -> bytes:
    """The hash over leaves ``start`` to ``end``; ``start`` is a multiple of the power of two that spans them."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return lookup(level, start >> level)
    middle = start + _split(count)
    return node_hash(_range(start, middle, lookup), _range(middle, end, lookup))
