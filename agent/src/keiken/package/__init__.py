"""The package of an experience: read, check, pack and unpack it."""

from keiken.package.archive import digest, pack, unpack
from keiken.package.load import Package, load
from keiken.package.review import Finding, review
from keiken.package.schema import json_schema
from keiken.package.skill import Skill

__all__ = ["Finding", "Package", "Skill", "digest", "json_schema", "load", "pack", "review", "unpack"]
