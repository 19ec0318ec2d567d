"""The one list of rules a package can break. The codes are stable: programs and other languages' texts hang on them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from keiken.errors import PackageError
from keiken.i18n import _

RULES: Mapping[str, str] = MappingProxyType(
    {
        # the archive as a whole
        "archive_too_large": "An archive has at most 16 MiB and unpacks to at most 32 MiB of files.",
        "archive_not_gzip": "An archive is one gzip member around one tar file.",
        "archive_damaged": "The checksums inside the archive fit its content.",
        "archive_truncated": "An archive is complete up to its end mark.",
        "archive_trailing_data": "Nothing follows the end of the archive.",
        "archive_second_member": "An archive is a single gzip member.",
        "archive_ratio": "An archive unpacks to at most 200 times its size.",
        "archive_malformed": "Every tar header is plain POSIX ustar.",
        "archive_extension": "PAX and GNU extensions (long names, overriding headers) are not used.",
        "archive_too_many_files": "An archive has at most 2,000 files and 2,000 folders.",
        # one entry of an archive or of a folder
        "entry_link": "A package holds no symbolic and no hard links.",
        "entry_device": "A package holds no devices, pipes or sockets.",
        "entry_sparse": "A package holds no sparse files.",
        "entry_type": "A package holds plain files and folders only.",
        "file_too_large": "A file has at most 8 MiB.",
        "file_unreadable": "Every file of the package can be read.",
        "package_too_large": "A package has at most 2,000 files and 32 MiB.",
        "package_missing": "A package is a folder.",
        "destination_not_empty": "A package is unpacked into a folder that is new or empty.",
        # names
        "path_empty": "A path is not empty.",
        "path_encoding": "Paths are UTF-8.",
        "path_control_character": "Paths hold no control characters and no invisible ones.",
        "path_absolute": "Paths are relative to the package.",
        "path_character": 'Paths do not hold \\ : * ? " < > or |.',
        "path_traversal": "Paths hold no '.', '..' or empty part.",
        "path_not_normalized": "Paths are in Unicode form NFC.",
        "path_too_long": "A path has at most 240 bytes and divides at a '/' into at most 155 and at most 100.",
        "path_too_deep": "A path has at most 12 parts.",
        "path_reserved": "Paths avoid 'work' at the top and the names that some systems keep for themselves.",
        "path_left_out": "What version control, editors and caches leave behind is no part of a package.",
        "path_duplicate": "Every path stands once.",
        "path_collision": "No two paths are the same where case or Unicode form is ignored, or a file and a folder.",
        # YAML
        "yaml_syntax": "A YAML file is one well-formed document in UTF-8.",
        "yaml_alias": "YAML anchors and aliases are not used.",
        "yaml_tag": "YAML tags are those of JSON: text, numbers, true, false, null, lists and mappings.",
        "yaml_duplicate_key": "A key stands once in its mapping.",
        "yaml_key": "Keys are text.",
        "yaml_depth": "YAML is nested at most 30 levels deep.",
        "yaml_too_large": "A YAML file has at most 256 KiB and 20,000 parts.",
        "yaml_number": "Numbers are finite; whole numbers fit into 64 bits.",
        "yaml_character": "Text holds no NUL and no half of a surrogate pair.",
        # what it says
        "manifest_missing": "A package has a file experience.yaml.",
        "manifest_invalid": "experience.yaml has the published shape, and its parts fit together.",
        "skill_missing": "A package has a file SKILL.md.",
        "skill_invalid": "SKILL.md is a valid Agent Skill with the name of the experience.",
        "check_invalid": "Every check is a CEL expression that names only what exists.",
        "template_invalid": "'${{' and '}}' come in pairs, around an expression, where values are filled in.",
        "condition_invalid": "Every condition is of a known form.",
        "parameter_schema_invalid": "Every parameter has a valid schema, and its examples and default fit it.",
        "license_invalid": "The license is an SPDX expression.",
        "license_text_missing": "A LicenseRef comes with its text in a file LICENSE….",
        "permission_invalid": "Permissions name commands, folders and hosts narrowly.",
        "file_path_invalid": "A file action stays within the folders that permissions.write names.",
        "asset_missing": "Files that a step or scenario names are in the package.",
        "scenario_invalid": "A scenario gives parameters, secrets and facts that the experience knows.",
    }
)
"""Code to the rule in words. ``docs`` and the tests of every refusal are held against it."""


def refusal(code: str, why: str, *, file: str = "", line: int | None = None, advice: str = "") -> PackageError:
    """A PackageError whose message names the file, the line where there is one, and what is wrong there."""
    assert code in RULES, code
    place = _("{file}, line {line}").format(file=file, line=line) if line else file
    message = f"{place}: {why}" if place else why[:1].upper() + why[1:]
    return PackageError(code, message.rstrip(".") + ".", file=file, line=line, advice=advice)
