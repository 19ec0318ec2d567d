"""What: experiences, versions, interned conditions, blobs, environments, verifications, attestations."""

from experiences.models.catalog import Blob, Condition, Experience, Version
from experiences.models.evidence import EvidenceRecord
from experiences.models.farm import Environment, ScenarioResult, Verification, Worker
from experiences.models.frontier import FrontierRun
from experiences.models.log import LogEntry, LogHead, LogNode
from experiences.models.policy import AppliedPolicy, ReverificationPolicy
from experiences.models.progress import ProgressLog
from experiences.models.provenance import Attestation, IndependentStatement, PublicKey, Summary
from experiences.models.search import Embedding, SearchChange, SearchEntry, SearchWord
from experiences.models.strength import CheckStrength

__all__ = [
    "AppliedPolicy",
    "Attestation",
    "Blob",
    "CheckStrength",
    "Condition",
    "Embedding",
    "Environment",
    "EvidenceRecord",
    "Experience",
    "FrontierRun",
    "IndependentStatement",
    "LogEntry",
    "LogHead",
    "LogNode",
    "ProgressLog",
    "PublicKey",
    "ReverificationPolicy",
    "ScenarioResult",
    "SearchChange",
    "SearchEntry",
    "SearchWord",
    "Summary",
    "Verification",
    "Version",
    "Worker",
]
