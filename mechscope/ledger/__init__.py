"""The ledger: recording what an analysis finds, and reading it back."""

from mechscope.ledger.notebook import RecordPayload
from mechscope.ledger.recording import EXACT, FLOAT32, RESAMPLED, Close, Ledger
from mechscope.ledger.schema import RECORD_MIME, Findings, LedgerFile, Passage
from mechscope.ledger.store import read_ledger, upstream

__all__ = [
    "EXACT",
    "FLOAT32",
    "RECORD_MIME",
    "RESAMPLED",
    "Close",
    "Findings",
    "Ledger",
    "LedgerFile",
    "Passage",
    "RecordPayload",
    "read_ledger",
    "upstream",
]
