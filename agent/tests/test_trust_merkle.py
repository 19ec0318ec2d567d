"""The tree of RFC 6962: its known roots and proofs, and that nothing else is ever taken for one."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keiken.trust.merkle import (
    EMPTY_ROOT,
    completed_by,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

# The vectors of Certificate Transparency's reference implementation (merkletree_test).
LEAVES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243")] + [
    bytes.fromhex("5051525354555657"),
    bytes.fromhex("606162636465666768696a6b6c6d6e6f"),
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


class Tree:
    """A log kept as a marketplace keeps it: complete subtrees only."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.leaves = [leaf_hash(leaf) for leaf in leaves]
        for index, leaf in enumerate(self.leaves):
            self.nodes |= {(level, place): value for level, place, value in completed_by(index, leaf, self.lookup)}

    def lookup(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def root(self, size: int) -> bytes:
        return root(size, self.lookup)


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH exactly as section 2.1 of RFC 6962 defines it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


@pytest.mark.parametrize("size", range(1, 9))
def test_the_known_roots(size: int) -> None:
    assert Tree(LEAVES).root(size).hex() == ROOTS[size - 1]
    assert naive_root(LEAVES[:size]).hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert root(0, Tree([]).lookup) == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("index", "size", "hashes"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    ],
)
def test_the_known_inclusion_proofs(index: int, size: int, hashes: list[str]) -> None:
    assert [item.hex() for item in inclusion_proof(index, size, Tree(LEAVES).lookup)] == hashes


@pytest.mark.parametrize(
    ("first", "second", "hashes"),
    [
        (1, 1, []),
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_the_known_consistency_proofs(first: int, second: int, hashes: list[str]) -> None:
    assert [item.hex() for item in consistency_proof(first, second, Tree(LEAVES).lookup)] == hashes


@settings(deadline=None)
@given(size=st.integers(1, 70), data=st.data())
def test_every_entry_is_provable_and_only_where_it_is(size: int, data: st.DataObject) -> None:
    leaves = [str(number).encode() for number in range(size)]
    tree = Tree(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, tree.lookup)
    whole = {"index": index, "size": size, "leaf": tree.leaves[index], "proof": proof, "root": naive_root(leaves)}
    assert verify_inclusion(**whole)
    assert not verify_inclusion(**{**whole, "leaf": leaf_hash(b"another")})
    assert not verify_inclusion(**{**whole, "index": (index + 1) % size or size})
    assert not verify_inclusion(**{**whole, "proof": [*proof, proof[0] if proof else EMPTY_ROOT]})
    assert not verify_inclusion(**{**whole, "root": leaf_hash(b"another")})
    if proof:
        assert not verify_inclusion(**{**whole, "proof": proof[:-1]})
        place = data.draw(st.integers(0, len(proof) - 1))
        changed = [item if n != place else leaf_hash(item) for n, item in enumerate(proof)]
        assert not verify_inclusion(**{**whole, "proof": changed})


@settings(deadline=None)
@given(sizes=st.tuples(st.integers(0, 70), st.integers(0, 70)), data=st.data())
def test_every_beginning_is_provable_and_nothing_else(sizes: tuple[int, int], data: st.DataObject) -> None:
    first, second = sorted(sizes)
    leaves = [str(number).encode() for number in range(second)]
    tree = Tree(leaves)
    proof = consistency_proof(first, second, tree.lookup)
    roots = {"first_root": naive_root(leaves[:first]), "second_root": naive_root(leaves)}
    assert verify_consistency(first=first, second=second, proof=proof, **roots)
    assert not verify_consistency(first=first, second=second, proof=[*proof, EMPTY_ROOT], **roots)
    if first:
        place = data.draw(st.integers(0, first - 1))
        forged = naive_root([*leaves[:place], b"rewritten", *leaves[place + 1 : first]])
        assert not verify_consistency(first=first, second=second, proof=proof, **{**roots, "first_root": forged})
    if proof:
        assert not verify_consistency(first=first, second=second, proof=proof[:-1], **roots)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_no_proof_for_a_leaf_that_is_not_there(index: int, size: int) -> None:
    tree = Tree(LEAVES)
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(index, size, tree.lookup)
    assert not verify_inclusion(index=index, size=size, leaf=EMPTY_ROOT, proof=[], root=EMPTY_ROOT)


def test_a_tree_does_not_begin_with_a_larger_one() -> None:
    with pytest.raises(ValueError, match="no beginning"):
        consistency_proof(4, 3, Tree(LEAVES).lookup)
    assert not verify_consistency(first=4, second=3, first_root=EMPTY_ROOT, second_root=EMPTY_ROOT, proof=[])


def test_a_hash_of_another_length_is_no_hash() -> None:
    assert not verify_inclusion(
        index=0, size=2, leaf=EMPTY_ROOT, proof=[b"short"], root=node_hash(EMPTY_ROOT, b"short")
    )
