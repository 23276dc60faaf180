"""VibesPro's reactions to SEA's events.

    governance_decision_recorded v1 ──▶ the decision on the vibe
    policy_violation_detected v1    ──▶ the rejection on the vibe, with its reasons

- ``domain``: what an event means to VibesPro. Pure.
- ``app``: the use case, over a port.
- ``adapters``: VibesPro's tables.
- ``shell``: the service that wires them.
"""
