"""The HTTP API of who: oneself, organizations, members, agents, keys, the audit trail."""
