"""What: experiences, versions, interned conditions, blobs, environments, verifications, attestations."""

from experiences.models.catalog import Blob, Condition, Experience, Version
from experiences.models.evidence import EvidenceRecord
from experiences.models.farm import Environment, ScenarioResult, Verification, Worker
from experiences.models.provenance import Attestation, PublicKey

__all__ = [
    "Attestation",
    "Blob",
    "Condition",
    "Environment",
    "EvidenceRecord",
    "Experience",
    "PublicKey",
    "ScenarioResult",
    "Verification",
    "Version",
    "Worker",
]
