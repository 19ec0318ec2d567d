"""Recording a procedure while it is done, and starting a package."""

from keiken.record.init import init
from keiken.record.shell import Draft, record_shell

__all__ = ["Draft", "init", "record_shell"]
